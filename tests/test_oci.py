"""The parts of a layout: whatever is not in the one form that the writer gives it is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgepack import oci
from edgepack.bundle import open_bundle
from edgepack.oci import BundleError
from edgepack.package.bundle import write_bundle
from tests.bundles import SPEC, layer_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(SPEC, tmp_path / "bundle")
    return tmp_path / "bundle"


# What a bad disk, a half-done copy or a clumsy hand leaves. Each case changes the files of a good bundle.


def _index(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        index = json.loads((folder / "index.json").read_bytes())
        change(index)
        (folder / "index.json").write_bytes(oci.render_json(index))

    return apply


def _descriptor(**fields: object) -> Callable[[Path], None]:
    return _index(lambda index: index["manifests"][0].update(fields))


def _write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def _manifest(folder: Path) -> Path:
    return oci.blob(folder, open_bundle(folder).digest)


def _program(folder: Path) -> Path:
    return layer_file(open_bundle(folder), "program")


def _instead(which: Callable[[Path], Path], make: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = which(folder)
        path.rename(folder / "kept")
        make(path)

    return apply


def _link(path: Path) -> None:
    path.symlink_to(path.parents[2] / "kept")


def _nothing(path: Path) -> None:
    pass


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no layout": (lambda f: (f / "oci-layout").unlink(), "cannot be opened"),
    "another layout": (_write("oci-layout", b'{"imageLayoutVersion":"2.0.0"}'), "not an OCI image layout"),
    "layout huge": (_write("oci-layout", b" " * 2000), "longer than"),
    "no index": (lambda f: (f / "index.json").unlink(), "cannot be opened"),
    "index empty": (_write("index.json", b""), "cannot be read"),
    "index half": (lambda f: os.truncate(f / "index.json", 100), "cannot be read"),
    "index a list": (_write("index.json", b"[]"), "not an object"),
    "index huge": (_write("index.json", b" " * (4 << 20) + b"{}"), "longer than"),
    "index deep": (_write("index.json", b'{"a":' * 40 + b"1" + b"}" * 40), "nested more than 32"),
    "index very deep": (_write("index.json", b"[" * 1_000_000), "cannot be read"),
    "index not UTF-8": (_write("index.json", b'{"\xff":1}'), "cannot be read"),
    "index UTF-16": (_write("index.json", '{"a":1}'.encode("utf-16")), "cannot be read"),
    "index with half a pair": (_write("index.json", b'{"a":"\\ud800"}'), "cannot be read"),
    "index with NaN": (_write("index.json", b'{"a":NaN}'), "NaN is not JSON"),
    "index with infinity": (_write("index.json", b'{"a":1e999}'), "cannot be read"),
    "index with a huge number": (_write("index.json", b'{"a":' + b"9" * 9999 + b"}"), "cannot be read"),
    "index key twice": (_write("index.json", b'{"a":1,"a":2}'), "a key is there twice"),
    "index a link": (
        _instead(lambda f: f / "index.json", lambda p: p.symlink_to("kept")),
        "cannot be opened",
    ),
    "no manifests": (_index(lambda i: i.pop("manifests")), "a bundle's manifest first"),
    "two manifests": (_index(lambda i: i["manifests"].append(i["manifests"][0])), "not a signature"),
    "manifest not an object": (_index(lambda i: i.update(manifests=["x"])), "a bundle's manifest first"),
    "digest of another kind": (_descriptor(digest="md5:" + "0" * 64), "digest is not sha256"),
    "digest as a path": (_descriptor(digest="sha256:" + "../" * 21 + "x"), "digest is not sha256"),
    "digest not text": (_descriptor(digest=None), "digest is not sha256"),
    "digest of nothing": (_descriptor(digest="sha256:" + "0" * 64), "cannot be opened"),
    "size wrong": (_descriptor(size=3), "damaged"),
    "size true": (_descriptor(size=True), "size is not a number"),
    "size negative": (_descriptor(size=-1), "size is not a number"),
    "media type wrong": (_descriptor(mediaType="text/plain"), "mediaType is not"),
    "another platform": (_descriptor(platform={"architecture": "amd64", "os": "linux"}), "does not say what"),
    "index spaced": (
        lambda f: (f / "index.json").write_text((f / "index.json").read_text() + " "),
        "does not",
    ),
    "no manifest blob": (_instead(_manifest, _nothing), "cannot be opened"),
    "manifest blob a link": (_instead(_manifest, _link), "cannot be opened"),
    "no layer blob": (_instead(_program, _nothing), "cannot be opened"),
    "layer blob a link": (_instead(_program, _link), "cannot be opened"),
    "layer blob a folder": (_instead(_program, lambda p: p.mkdir()), "cannot be opened"),
    "layer blob a pipe": (_instead(_program, os.mkfifo), "not a regular file"),
    "layer blob short": (lambda f: os.truncate(_program(f), 1024), "layer is not 2048 bytes long"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_bundle_is_refused_without_reading_its_layers(folder: Path, case: str) -> None:
    change, expected = DAMAGED[case]
    change(folder)
    with pytest.raises(BundleError) as caught:
        open_bundle(folder)
    error = caught.value
    assert expected in f"{error.what}; {error.why}"
    assert str(folder) in error.where
    assert error.fix


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x"
    if what == "a file":
        path.write_bytes(b"x")
    if what == "an empty folder":
        path.mkdir()
    with pytest.raises(BundleError, match="cannot be opened"):
        open_bundle(path)
