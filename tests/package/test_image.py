"""Images from bundles: the bundles' own layers, the same bytes each time, and what cannot be one refused."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from edgepack import oci
from edgepack.bundle import Bundle
from edgepack.package import image_archive
from edgepack.package.bundle import Content, write_bundle
from edgepack.package.errors import CannotWrite, PackageError
from edgepack.package.image import Image, ImageSpec, Part, common, write_image
from edgepack.package.image_base import EMPTY, Base, choose, from_layout
from edgepack.package.image_config import Listens, Runs
from tests.bundles import SPEC


def bundle(folder: Path, target: str, arch: str, **changes: Any) -> Bundle:
    return write_bundle(dataclasses.replace(SPEC, target=target, arch=arch, **changes), folder / target)


@pytest.fixture
def two(tmp_path: Path) -> list[Bundle]:
    return [bundle(tmp_path, "x86_64", "x86_64"), bundle(tmp_path, "rk3588", "aarch64")]


def image_of(bundles: list[Bundle], dest: Path, base: Base = EMPTY, **more: Any) -> Image:
    return write_image(ImageSpec([Part(one, base) for one in bundles], **more), dest)


def read(folder: Path, entry: Any) -> Any:
    return json.loads(oci.blob(folder, entry["digest"]).read_bytes())


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def tar_of(members: dict[str, bytes | str]) -> bytes:
    """bytes: a file; str: a link to there."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, what in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
            info.size, info.mode = len(what) if isinstance(what, bytes) else 0, 0o755
            tar.addfile(info, io.BytesIO(what) if isinstance(what, bytes) else None)
    return out.getvalue()


def foreign(
    folder: Path,
    arch: str = "arm64",
    tar: bytes = b"",
    tag: str = "bookworm",
    labels: dict[str, str] | None = None,
) -> Path:
    """Somebody's image in a layout, as other tools write one: a gzipped layer, an index of one platform."""
    tar = tar or tar_of({"usr/bin/tool": b"x", "bin": "usr/bin", "lib": "usr/lib"})
    (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)

    def add(data: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        oci.blob(folder, digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    config = {
        "architecture": arch,
        "os": "linux",
        "config": {"Env": ["PATH=/opt/digits/bin:/usr/bin", "LD_LIBRARY_PATH=/vendor"], "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "config": add(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [add(gzip.compress(tar, mtime=0), f"{oci.LAYER_TYPE}+gzip")],
    }
    entry = add(json.dumps(manifest).encode(), oci.MANIFEST_TYPE)
    entry["platform"] = {"os": "linux", "architecture": arch}
    listed = {"schemaVersion": 2, "manifests": [entry]}
    whole = add(json.dumps(listed).encode(), oci.INDEX_TYPE) | {"annotations": {oci.REF_KEY: tag}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [whole]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def test_the_layers_are_the_bundles_own_with_what_seldom_changes_below(
    two: list[Bundle], tmp_path: Path
) -> None:
    made = image_of(two, tmp_path / "image")
    for one in made.targets:
        own = {layer.kind: layer.digest for layer in one.bundle.layers}
        assert [layer.kind for layer in one.layers] == ["model", "golden", "config", "program", "root"]
        for layer in one.layers[:-1]:
            assert layer.digest == own[layer.kind]
            ours = oci.blob(made.folder, layer.digest)
            theirs = [oci.blob(bundle.folder, layer.digest) for bundle in two]
            assert any(p.exists() and p.samefile(ours) for p in theirs), "one file on this disk"
        manifest = read(made.folder, one.manifest)
        assert [entry["digest"] for entry in manifest["layers"]] == [layer.digest for layer in one.layers]
        assert manifest["annotations"]["dev.edgepack.release"] == one.bundle.digest
    assert made.index is not None
    listed = read(made.folder, made.index)["manifests"]
    assert [entry["platform"]["architecture"] for entry in listed] == ["amd64", "arm64"]
    tags = [
        e["annotations"][oci.REF_KEY]
        for e in json.loads((made.folder / "index.json").read_bytes())["manifests"]
    ]
    assert tags[:3] == ["1.0.0", "1.0.0-x86_64", "1.0.0-rk3588"]
    assert tags[3:] == list(made.papers_tags)


def test_a_new_program_leaves_the_layers_below_it_as_they_were(tmp_path: Path) -> None:
    changed = {**SPEC.layers, "program": {"bin/digits": Content(b"\x7fELF another", 0o755)}}
    before, after = (
        image_of([bundle(tmp_path / n, "x86_64", "x86_64", layers=layers)], tmp_path / "image").targets[0]
        for n, layers in (("a", SPEC.layers), ("b", changed))
    )
    same = [a.kind for a, b in zip(before.layers, after.layers, strict=True) if a == b]
    assert same == ["model", "golden", "config", "root"]


def test_the_same_bytes_whatever_the_folder_the_mask_or_what_was_there(
    two: list[Bundle], tmp_path: Path
) -> None:
    image_of(two, tmp_path / "one")
    old = os.umask(0o077)
    try:
        image_of(two[:1], tmp_path / "two", annotations={"org.opencontainers.image.revision": "abc"})
        image_of(two, tmp_path / "two")
    finally:
        os.umask(old)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_container_runs_as_nobody_with_a_health_check_and_one_folder_to_write(
    two: list[Bundle], tmp_path: Path
) -> None:
    listens = (Listens("metrics", "0.0.0.0", 9090), Listens("service.http", "127.0.0.1", 8000))
    made = image_of(two, tmp_path / "image", runs=Runs(listens, 45), annotations={"a.b": "c"})
    config = read(made.folder, made.targets[1].config)
    assert (config["architecture"], config["os"], config["variant"]) == ("arm64", "linux", "v8")
    assert "created" not in config
    settings = config["config"]
    assert settings["Entrypoint"] == ["/bin/digits"]
    assert settings["Cmd"] == ["run", "--data", "/data"]
    assert settings["User"] == "65532:65532"
    assert settings["Volumes"] == {"/data": {}}
    assert settings["ExposedPorts"] == {"9090/tcp": {}}, "what listens on loopback alone is no port of it"
    assert settings["Healthcheck"]["Test"] == ["CMD", "/bin/digits", "health", "--data", "/data"]
    assert settings["Healthcheck"]["StartPeriod"] == 45 * 10**9
    assert settings["Labels"]["a.b"] == "c"
    top = oci.blob(made.folder, made.targets[1].layers[-1].digest)
    with tarfile.open(top) as tar:
        folders = {m.name: (m.mode, m.uid) for m in tar if m.isdir()}
        assert {m.mtime for m in tar.getmembers()} == {0}
    assert folders == {
        **dict.fromkeys(("bin", "etc", "golden", "model"), (0o755, 0)),
        "data": (0o755, 65532),
        "tmp": (0o1777, 0),
    }


def test_compressed_layers_hold_the_same_tars(two: list[Bundle], tmp_path: Path) -> None:
    plain, packed = (image_of(two, tmp_path / name, gzip=name == "gz") for name in ("plain", "gz"))
    for before, after in zip(plain.targets, packed.targets, strict=True):
        assert [layer.diff_id for layer in before.layers] == [layer.diff_id for layer in after.layers]
        for a, b in zip(before.layers, after.layers, strict=True):
            data = oci.blob(packed.folder, b.digest).read_bytes()
            assert gzip.decompress(data) == oci.blob(plain.folder, a.digest).read_bytes()
            assert data[4:8] == bytes(4), "no time in the header"
            assert b.descriptor()["mediaType"].endswith("+gzip")


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({"x86_64": "x86_64", "rk3588": "aarch64"}, ["x86_64", "rk3588"]),
        ({"aarch64": "aarch64", "rk3588": "aarch64"}, ["aarch64"]),
        ({"rk3568": "aarch64", "rk3588": "aarch64", "armhf": "armhf"}, ["armhf"]),
    ],
)
def test_of_several_for_one_platform_the_plain_one_is_in_the_index(
    targets: dict[str, str], expected: list[str], tmp_path: Path
) -> None:
    bundles = [bundle(tmp_path, target, arch) for target, arch in targets.items()]
    assert [one.target for one in common(bundles).values()] == expected
    made = image_of(bundles, tmp_path / "image")
    assert [one.target for one in made.targets if one.in_index] == expected


def test_an_archive_names_the_same_blobs_in_both_ways(two: list[Bundle], tmp_path: Path) -> None:
    made = image_of(two, tmp_path / "image")
    one = made.targets[1]
    place = image_archive.write_target(made, one, "registry.example/digits", tmp_path / "one.tar")
    again = image_archive.write_target(made, one, "registry.example/digits", tmp_path / "again.tar")
    assert place.read_bytes() == again.read_bytes()
    with tarfile.open(place) as tar:
        held = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    (listed,) = json.loads(held["manifest.json"])
    assert listed["RepoTags"] == ["registry.example/digits:1.0.0-rk3588"]
    (entry,) = json.loads(held["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == listed["RepoTags"][0]
    manifest = json.loads(held["blobs/" + entry["digest"].replace(":", "/")])
    by_oci = [manifest["config"], *manifest["layers"]]
    assert [listed["Config"], *listed["Layers"]] == ["blobs/" + e["digest"].replace(":", "/") for e in by_oci]
    for name, data in held.items():
        assert not name.startswith("blobs/") or name.endswith(hashlib.sha256(data).hexdigest())
    whole = image_archive.write_whole(made, "digits", tmp_path / "whole.tar")
    with tarfile.open(whole) as tar:
        names = set(tar.getnames())
    layers = {layer.digest for target in made.targets for layer in target.layers}
    assert {"blobs/" + digest.replace(":", "/") for digest in layers} < names


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("digits:1", "localhost/digits:1"),
        ("team/digits:1", "localhost/team/digits:1"),
        ("registry.example/digits:1", "registry.example/digits:1"),
        ("box:5000/digits:1", "box:5000/digits:1"),
        ("localhost/digits:1", "localhost/digits:1"),
    ],
)
def test_a_store_that_takes_names_as_they_are_gets_them_in_full(name: str, full: str) -> None:
    assert image_archive.qualified(name) == full


def nowhere(_reference: str, _platform: object) -> Path:
    raise AssertionError("nothing is fetched")


def based(one: Bundle, asked: str | None) -> Base:
    return choose(one, asked, nowhere, lambda _line: None)


def test_on_a_base_of_others_the_release_has_a_folder_of_its_own(tmp_path: Path) -> None:
    one = bundle(tmp_path, "rk3588", "aarch64")
    base = based(one, f"oci:{foreign(tmp_path / 'base')}@bookworm")
    made = image_of([one], tmp_path / "image", base).targets[0]
    assert [layer.kind for layer in made.layers] == ["base", "model", "golden", "config", "program", "root"]
    names = set()
    for layer in made.layers[1:]:
        with tarfile.open(oci.blob(tmp_path / "image", layer.digest)) as tar:
            names |= {m.name for m in tar.getmembers()}
    assert {f"opt/digits/{file.path}" for file in one.files} <= names
    assert not {"bin", "lib", "etc/passwd", "tmp"} & names, "what the base has is left alone"
    config = read(tmp_path / "image", made.config)
    assert config["config"]["Entrypoint"] == ["/opt/digits/bin/digits"]
    assert config["config"]["Env"] == ["PATH=/opt/digits/bin:/usr/bin", "LD_LIBRARY_PATH=/vendor"]
    assert len(config["rootfs"]["diff_ids"]) == 6
    program = next(layer for layer in made.layers if layer.kind == "program")
    with tarfile.open(oci.blob(tmp_path / "image", program.digest)) as tar:
        held = tar.extractfile("opt/digits/bin/digits")
        assert held is not None
        assert held.read() == b"\x7fELF program"


def test_a_base_that_is_damaged_or_another_is_refused(tmp_path: Path) -> None:
    one = bundle(tmp_path, "rk3588", "aarch64")
    amd = foreign(tmp_path / "amd", "amd64")
    with pytest.raises(PackageError, match="nothing for aarch64"):
        based(one, f"oci:{amd}")
    with pytest.raises(PackageError, match="cannot be used"):
        based(one, f"oci:{tmp_path / 'none'}")
    good = foreign(tmp_path / "good")
    with pytest.raises(PackageError, match="nothing for aarch64"):
        based(one, f"oci:{good}@another-tag")
    base = from_layout(good, "", "aarch64")
    source = base.layers[0].source
    assert isinstance(source, Path)
    data = bytearray(source.read_bytes())
    data[-1] ^= 1
    source.write_bytes(data)
    with pytest.raises(PackageError, match="a layer of the base is damaged"):
        image_of([one], tmp_path / "image", base)
    assert not (tmp_path / "image").exists(), "nothing half-made"
    for blob in (good / "blobs" / "sha256").iterdir():
        blob.write_bytes(b"{}")
    with pytest.raises(PackageError, match="cannot be used"):
        based(one, f"oci:{good}")


@pytest.mark.parametrize(
    ("runtime", "libc", "asked", "words"),
    [
        ("onnxruntime", "glibc 2.28", "none", "needs a base"),
        ("rknn", "glibc 2.28", None, "needs a base that has rknn"),
        ("rknn", "glibc 2.28", "libc", "needs a base that has rknn"),
        ("ncnn", "static", "alpine", "no base called alpine"),
    ],
)
def test_a_program_that_would_not_start_is_no_image(
    runtime: str, libc: str, asked: str | None, words: str, tmp_path: Path
) -> None:
    one = bundle(tmp_path, "rk3588", "aarch64", runtime=runtime, release={"libc": libc})
    with pytest.raises(PackageError, match=words) as caught:
        based(one, asked)
    assert caught.value.fix


def test_what_cannot_be_one_image_is_refused_before_anything_is_written(
    two: list[Bundle], tmp_path: Path
) -> None:
    newer = bundle(tmp_path / "newer", "armhf", "armhf", version="1.0.1")
    with pytest.raises(PackageError, match="not of one version"):
        image_of([*two, newer], tmp_path / "image")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(CannotWrite, match="no OCI layout"):
        image_of(two, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]
