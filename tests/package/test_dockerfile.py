"""The Dockerfile beside an image: what it copies is where edgepack's own image has it, with its settings."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import tarfile
from pathlib import Path

import pytest

from edgepack import oci
from edgepack.bundle import Bundle
from edgepack.package import dockerfile
from edgepack.package.bundle import Content, write_bundle
from edgepack.package.dockerfile import Compiler, DockerfileSpec, Source
from edgepack.package.image import ImageSpec, Part, write_image
from edgepack.package.image_base import EMPTY, Base, BaseLayer
from edgepack.package.image_config import Listens, Runs
from edgepack.package.image_layers import ImageLayer, folders_of, tar_of
from tests.bundles import SPEC

COMPILER = Compiler(
    "/opt/tools", "/src", "/opt/cmake", "/opt/ninja", "strip.py", "link.rsp", {"EDGEPACK_RUNTIME": "/src/r"}
)
PROJECT: dict[str, bytes | Path] = {"toolchain/cc": b"#!/bin/sh\n", "program/CMakeLists.txt": b"project(x)\n"}
LIBC = b"".join(tar_of(folders_of(["lib/ld.so.1"]), {"lib/ld.so.1": b"loader"}))
OWN = Base("libc", (BaseLayer(ImageLayer.of("libc", LIBC), LIBC),))
BESIDE = {"libraries": {"lib/libonnxruntime.so.1": Content(b"library", 0o755)}}


def bundle(folder: Path, target: str, arch: str, **more: dict[str, Content]) -> Bundle:
    spec = dataclasses.replace(SPEC, target=target, arch=arch, layers={**SPEC.layers, **more})
    return write_bundle(spec, folder / target)


def spec(*parts: Part, base: str = "") -> DockerfileSpec:
    listens = (Listens("source", "0.0.0.0", 8080), Listens("metrics", "127.0.0.1", 9090))
    sources = [Source(part, PROJECT) for part in parts]
    return DockerfileSpec(sources, COMPILER, Runs(listens, 45), base=base)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    (tmp_path / "lock.txt").write_text("ziglang==0\n")
    return tmp_path / "lock.txt"


def copied(made: DockerfileSpec, lock: Path, target: str) -> dict[str, tuple[int, str]]:
    """Where each file of the context goes by the last stage's lines: its mode and digest."""
    there = dict(dockerfile.context(made, lock))
    last = dockerfile.render(made).split("\nFROM ")[-1]
    found: dict[str, tuple[int, str]] = {}
    for source, to in re.findall(r"(?m)^COPY (build/\S+)/ (/\S*)$", last):
        top = source.replace("$TARGET", dockerfile.folders(made.bundles)[target]) + "/"
        assert any(name.startswith(top) or f"{name}/" == top for name in there), top
        for name, put in there.items():
            if put is not None and name.startswith(top):
                path = f"{to}{name.removeprefix(top)}".removeprefix("/")
                assert path not in found
                found[path] = (put.mode, hashlib.sha256(put.open().read()).hexdigest())
    return found


def held(made: DockerfileSpec, target: str, dest: Path, program: str) -> dict[str, tuple[int, str]]:
    """The same of edgepack's own image, without the program."""
    image = write_image(ImageSpec([source.part for source in made.sources], made.runs), dest)
    (one,) = (one for one in image.targets if one.target == target)
    found = {}
    for layer in one.layers:
        with tarfile.open(fileobj=io.BytesIO(oci.blob(dest, layer.digest).read_bytes())) as tar:
            for member in (member for member in tar if member.isreg()):
                content = tar.extractfile(member)
                assert content is not None
                found[member.name] = (member.mode, hashlib.sha256(content.read()).hexdigest())
    found.pop(program)
    return found


@pytest.mark.parametrize("target", ["x86_64", "rk3588"])
@pytest.mark.parametrize("base", [EMPTY, OWN], ids=["no base", "libc"])
def test_what_is_copied_is_where_edgepacks_image_has_it(
    base: Base, target: str, tmp_path: Path, lock: Path
) -> None:
    two = (
        Part(bundle(tmp_path, "x86_64", "x86_64"), EMPTY),
        Part(bundle(tmp_path, "rk3588", "aarch64", **BESIDE), base),
    )
    made = spec(*two)
    assert copied(made, lock, target) == held(made, target, tmp_path / "image", "bin/digits")


def test_on_an_image_of_others_it_goes_to_opt(tmp_path: Path, lock: Path) -> None:
    part = Part(bundle(tmp_path, "aarch64", "aarch64", **BESIDE), Base("acme/l4t:1", foreign=True))
    made = spec(part, base="acme/l4t:1")
    assert copied(made, lock, "aarch64") == held(made, "aarch64", tmp_path / "image", "opt/digits/bin/digits")
    text = dockerfile.render(made)
    assert "\nARG BASE=acme/l4t:1\n" in text
    assert "\nFROM --platform=$THERE $BASE\n" in text
    assert 'ENV PATH="/opt/digits/bin:$PATH"' in text
    assert 'ENTRYPOINT ["/opt/digits/bin/digits"]' in text
    assert "out/tmp" not in text


def test_its_settings_are_those_of_the_image(tmp_path: Path) -> None:
    text = dockerfile.render(spec(Part(bundle(tmp_path, "x86_64", "x86_64"), EMPTY)))
    for line in (
        "FROM --platform=$HERE $BUILDER AS program",
        "FROM --platform=$THERE scratch",
        "USER 65532:65532",
        "WORKDIR /data",
        'VOLUME ["/data"]',
        "EXPOSE 8080/tcp",
        "STOPSIGNAL SIGTERM",
        "HEALTHCHECK --interval=10s --timeout=10s --start-period=45s --retries=3 \\",
        'ENTRYPOINT ["/bin/digits"]',
        'CMD ["run", "--data", "/data"]',
    ):
        assert f"\n{line}\n" in text
    assert "9090" not in text
    assert text.startswith("# Made by edgepack from digits's edgepack.yaml, version 1.0.0.\n")
    assert max(map(len, text.splitlines())) <= 110


def test_a_program_that_comes_out_otherwise_is_none(tmp_path: Path, lock: Path) -> None:
    part = Part(bundle(tmp_path, "x86_64", "x86_64"), EMPTY)
    put = dict(dockerfile.context(spec(part), lock))["build/amd64/source/program.sha256"]
    assert put is not None
    digest = hashlib.sha256(b"\x7fELF program").hexdigest()
    assert put.open().read() == f"{digest}  out/bin/digits\n".encode()
    assert "sha256sum -c program.sha256" in dockerfile.render(spec(part))


def test_a_platform_has_one_folder_and_other_targets_their_own(tmp_path: Path) -> None:
    archs = {"x86_64": "x86_64", "aarch64": "aarch64", "rk3588": "aarch64", "armhf": "armhf"}
    bundles = [bundle(tmp_path, target, arch) for target, arch in archs.items()]
    named = {"x86_64": "amd64", "aarch64": "arm64", "rk3588": "rk3588", "armhf": "armv7"}
    assert dockerfile.folders(bundles) == named
    text = dockerfile.render(spec(*(Part(one, EMPTY) for one in bundles)))
    assert "--platform linux/amd64,linux/arm64,linux/arm/v7 -t digits:1.0.0 ." in text
    assert "--platform linux/arm64 --build-arg TARGET=rk3588 -t digits:1.0.0-rk3588 ." in text
    assert text == dockerfile.render(spec(*(Part(one, EMPTY) for one in bundles)))
