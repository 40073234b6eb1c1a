"""A bundle is what its writer made, or it is refused with a place and a reason."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgepack import oci
from edgepack.bundle import LAYER_KEY, open_bundle
from edgepack.errors import Exit, InputError
from edgepack.oci import BundleError
from edgepack.package.bundle import write_bundle
from tests.bundles import MODEL, SPEC, Parts, flip, layer_file, put_together, take_apart


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(SPEC, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_taking_apart_and_putting_together_changes_nothing(folder: Path, tmp_path: Path) -> None:
    put_together(take_apart(folder), tmp_path / "again")
    assert open_bundle(tmp_path / "again", verify=True).digest == open_bundle(folder).digest


def test_a_bundle_says_what_it_holds(folder: Path) -> None:
    bundle = open_bundle(folder, verify=True)
    assert (bundle.name, bundle.version, bundle.target) == ("digits", "1.0.0", "raspberry-pi-4")
    assert (bundle.arch, bundle.runtime) == ("aarch64", "ncnn")
    assert [layer.kind for layer in bundle.layers] == ["program", "model", "golden", "config"]
    assert {f.path: (oct(f.mode), f.size, f.layer) for f in bundle.files} == {
        "bin/digits": ("0o755", 12, "program"),
        "model/model.bin": ("0o644", len(MODEL), "model"),
        "model/model.param": ("0o644", 8, "model"),
        "golden/input.npy": ("0o644", 0, "golden"),
        "golden/output.logits.npy": ("0o644", 512, "golden"),
        "release.json": ("0o644", bundle.file("release.json").size, "config"),
    }
    assert bundle.release["gates"] == {"cosine": 0.9999}
    assert bundle.release["target"] == "raspberry-pi-4"
    manifest = oci.blob(folder, bundle.digest).read_bytes()
    assert bundle.digest == f"sha256:{hashlib.sha256(manifest).hexdigest()}"


@pytest.mark.parametrize("chunk", [-1, 1, 7, 5120, 100_000])
def test_a_file_is_read_from_its_layer(folder: Path, chunk: int) -> None:
    bundle = open_bundle(folder)
    with bundle.open(bundle.file("model/model.bin")) as stream:
        assert b"".join(iter(lambda: stream.read(chunk), b"")) == MODEL
        assert not stream.seekable()
    with bundle.open(bundle.file("golden/input.npy")) as stream:
        assert stream.read() == b""


def test_a_damaged_file_is_found_when_it_is_read_to_the_end(folder: Path) -> None:
    bundle = open_bundle(folder)
    file = bundle.file("model/model.bin")
    flip(layer_file(bundle, "model"), file.offset + file.size - 1)
    assert open_bundle(folder).digest == bundle.digest  # contents are not looked at
    with (
        bundle.open(file) as stream,
        pytest.raises(BundleError, match=r"model/model\.bin in the bundle is damaged"),
    ):
        stream.read()
    with bundle.open(bundle.file("model/model.param")) as stream:
        assert stream.read() == b"7767517\n"


def test_a_layer_that_went_away_or_shrank_after_opening_is_an_error(folder: Path) -> None:
    bundle = open_bundle(folder)
    file = bundle.file("model/model.bin")
    os.truncate(layer_file(bundle, "model"), file.offset + 100)
    with bundle.open(file) as stream, pytest.raises(BundleError):
        stream.read()
    layer_file(bundle, "model").unlink()
    with pytest.raises(BundleError, match="cannot be opened"):
        bundle.open(file)
    with pytest.raises(BundleError, match="holds no model/other"):
        bundle.file("model/other")


# What somebody who can make every digest right might try. Each case changes the parts of a good bundle.


def _path(new: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts.file("model/model.bin")["path"] = new
        info = tarfile.TarInfo(new)
        parts.tar("model", (info, MODEL), (tarfile.TarInfo("model/model.param"), b"7767517\n"))

    return change


def _entry(kind: bytes, **fields: object) -> Callable[[Parts], None]:
    """The program's tar entry becomes one of another type: a link, a device."""

    def change(parts: Parts) -> None:
        info = tarfile.TarInfo("bin/digits")
        info.type = kind
        for name, value in fields.items():
            setattr(info, name, value)
        parts.tar("program", (info, b""))

    return change


def _field(key: str, value: object) -> Callable[[Parts], None]:
    return lambda parts: parts.file("model/model.bin").update({key: value})


def _config(**fields: object) -> Callable[[Parts], None]:
    return lambda parts: parts.config.update(fields)


def _drop(key: str) -> Callable[[Parts], None]:
    return lambda parts: parts.config.pop(key)


def _second_program(parts: Parts) -> None:
    program = (tarfile.TarInfo("bin/digits"), b"\x7fELF program")
    parts.tar("program", program, (tarfile.TarInfo("bin/other"), b"unlisted"))


def _same_name_twice_in_tar(parts: Parts) -> None:
    parts.tar("program", *2 * [(tarfile.TarInfo("bin/digits"), b"\x7fELF program")])


def _listed_twice(parts: Parts) -> None:
    parts.config["files"].append(dict(parts.file("bin/digits")))


def _file_under_file(parts: Parts) -> None:
    parts.config["files"].append({**parts.file("bin/digits"), "path": "bin/digits/hidden"})


def _hidden_after_the_end(parts: Parts) -> None:
    parts.layers["model"] += b"\0" * 512 + b"more"


def _hidden_in_padding(parts: Parts) -> None:
    data = bytearray(parts.layers["program"])
    data[512 + 100] = 65
    parts.layers["program"] = bytes(data)


def _owner_root(parts: Parts) -> None:
    info = tarfile.TarInfo("bin/digits")
    info.uid, info.uname, info.mode = 0, "root", 0o755
    parts.tar("program", (info, b"\x7fELF program"))


def _layer_order(parts: Parts) -> None:
    parts.manifest["layers"].reverse()


def _layer_twice(parts: Parts) -> None:
    parts.manifest["layers"].insert(0, parts.manifest["layers"][0])


def _no_golden_layer(parts: Parts) -> None:
    parts.manifest["layers"] = [
        entry for entry in parts.manifest["layers"] if entry["annotations"][LAYER_KEY] != "golden"
    ]


def _gzip(parts: Parts) -> None:
    parts.manifest["layers"][0]["mediaType"] += "+gzip"


def _release(change: Callable[[dict[str, Any]], Any], raw: bytes | None = None) -> Callable[[Parts], None]:
    def apply(parts: Parts) -> None:
        file = parts.file("release.json")
        release = json.loads(parts.layers["config"][512 : 512 + file["size"]])
        change(release)
        data = raw if raw is not None else oci.render_json(release)
        file.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        padded = data + b"\0" * (-len(data) % 512)
        info = tarfile.TarInfo("release.json")
        info.size = len(data)
        parts.layers["config"] = info.tobuf(tarfile.USTAR_FORMAT) + padded + b"\0" * 1024

    return apply


HOSTILE: dict[str, tuple[Callable[[Parts], object], str]] = {
    "path up": (_path("../../etc/passwd"), "not a plain relative path"),
    "path up inside": (_path("model/../../x"), "not a plain relative path"),
    "path absolute": (_path("/etc/passwd"), "not a plain relative path"),
    "path with dot": (_path("./model.bin"), "not a plain relative path"),
    "path with empty part": (_path("model//model.bin"), "not a plain relative path"),
    "path ends in slash": (_path("model/"), "not a plain relative path"),
    "path empty": (_field("path", ""), "not a plain relative path"),
    "path like an option": (_path("-rf"), "not a plain relative path"),
    "path with newline": (_field("path", "model/a\nb"), "not a plain relative path"),
    "path with final newline": (_field("path", "model/a\n"), "not a plain relative path"),
    "path with NUL": (_field("path", "model/a\0b"), "not a plain relative path"),
    "path with backslash": (_path("model\\x"), "not a plain relative path"),
    "path with quote": (_path("model/$(id)"), "not a plain relative path"),
    "path with space": (_path("model/a b"), "not a plain relative path"),
    "path not ASCII": (_field("path", "model/é"), "not a plain relative path"),
    "path too long": (_field("path", "model/" + "x" * 200), "too long"),
    "path no text": (_field("path", 7), "is not {path, mode"),
    "listed twice": (_listed_twice, "there twice"),
    "file as folder": (_file_under_file, "both a file and the folder"),
    "symbolic link": (_entry(tarfile.SYMTYPE, linkname="/etc/passwd"), "does not hold the files listed"),
    "hard link": (_entry(tarfile.LNKTYPE, linkname="/etc/passwd"), "does not hold the files listed"),
    "device": (_entry(tarfile.BLKTYPE, devmajor=8), "does not hold the files listed"),
    "pipe": (_entry(tarfile.FIFOTYPE), "does not hold the files listed"),
    "folder": (_entry(tarfile.DIRTYPE), "does not hold the files listed"),
    "owned by root by name": (_owner_root, "does not hold the files listed"),
    "extra file in a layer": (_second_program, "does not hold the files listed"),
    "same name twice in a layer": (_same_name_twice_in_tar, "does not hold the files listed"),
    "no tar at all": (lambda p: p.layers.update(program=b"x" * 2048), "does not hold the files listed"),
    "empty layer": (lambda p: p.layers.update(program=b""), "does not hold the files listed"),
    "more after the end": (_hidden_after_the_end, "layer is damaged"),
    "something in the padding": (_hidden_in_padding, "does not hold the files listed"),
    "set-user-ID": (_field("mode", "4755"), "mode of 'model/model.bin'"),
    "writable by all": (_field("mode", "0777"), "mode of 'model/model.bin'"),
    "mode a number": (_field("mode", 0o644), "is not {path, mode"),
    "size negative": (_field("size", -1), "size of 'model/model.bin'"),
    "size a fraction": (_field("size", 1.5), "size of 'model/model.bin'"),
    "size true": (_field("size", True), "size of 'model/model.bin'"),
    "size missing": (lambda p: p.file("model/model.bin").pop("size"), "size of 'model/model.bin'"),
    "size huge": (_field("size", 8**11), "size of 'model/model.bin'"),
    "size larger than the layer": (_field("size", 8**11 - 1), "does not hold the files listed"),
    "size one less": (_field("size", len(MODEL) - 1), "does not hold the files listed"),
    "sha256 of something else": (_field("sha256", "0" * 64), "model/model.bin in the bundle is damaged"),
    "sha256 in capitals": (_field("sha256", "A" * 64), "sha256 of 'model/model.bin'"),
    "layer unknown": (_field("layer", "kernel"), "layer of 'model/model.bin'"),
    "layer not there": (_field("layer", "libraries"), "the layers are not those"),
    "file in another layer": (_field("layer", "golden"), "does not hold the files listed"),
    "files not a list": (_config(files={}), "list of files"),
    "no files": (_config(files=[]), "list of files"),
    "too many files": (_config(files=[0] * 20_001), "list of files"),
    "file not an object": (_config(files=["bin/digits"]), "is not {path, mode"),
    "name with a slash": (_config(name="../x"), "the name is not a word"),
    "name missing": (_drop("name"), "the name is not a word"),
    "version not text": (_config(version=1), "the version is not a word"),
    "arch unknown": (_config(arch="z80"), "no architecture is called z80"),
    "arch is not the index's": (_config(arch="x86_64"), "names another arch"),
    "layers not in order": (_layer_order, "in this order"),
    "a layer twice": (_layer_twice, "in this order"),
    "a layer missing": (_no_golden_layer, "the layers are not those"),
    "a compressed layer": (_gzip, "mediaType"),
    "layers not a list": (lambda p: p.manifest.update(layers={}), "not a list of descriptors"),
    "another artifact": (lambda p: p.manifest.update(artifactType="x/y"), "this is not a bundle"),
    "release of another": (_release(lambda r: r.update(target="x86_64")), "names another target"),
    "release without name": (_release(lambda r: r.pop("name")), "names another name"),
    "release no JSON": (_release(lambda r: None, b"{"), "cannot be read"),
    "release not UTF-8": (_release(lambda r: None, b'{"name":"\xff"}'), "cannot be read"),
    "no release": (lambda p: p.file("release.json").update(path="other.json"), "does not hold the files"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_bundle_made_to_do_harm_is_refused(folder: Path, tmp_path: Path, case: str) -> None:
    change, expected = HOSTILE[case]
    parts = take_apart(folder)
    change(parts)
    put_together(parts, tmp_path / "evil")
    with pytest.raises(BundleError, match=expected) as caught:
        open_bundle(tmp_path / "evil", verify=True)
    assert caught.value.exit_code == Exit.INPUT
    assert isinstance(caught.value, InputError)
    assert caught.value.where
    assert caught.value.why
    assert caught.value.fix
