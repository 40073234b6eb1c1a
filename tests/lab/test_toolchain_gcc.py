"""Debian's cross gcc instead of zig: the same answers, from a program that the GNU compiler made."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from edgepack.catalog.toolchains import flags

from . import reference
from .project import Project

QEMU = ("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``examples/digits`` for aarch64 by gcc, as it would lie on a box."""
    folder = tmp_path_factory.mktemp("gcc")
    (built,) = Project(folder / "digits").said("build", "aarch64", "--toolchain", "gcc")["bundles"]
    assert built["arch"] == "aarch64"
    assert "verified on emulator or simulator (qemu-user" in built["proof"]["state"]
    unpack(Path(built["folder"]), folder / "release")
    return folder / "release"


def unpack(bundle: Path, release: Path) -> None:
    """Every layer of a bundle, in one folder."""
    blobs = bundle / "blobs" / "sha256"
    (entry,) = json.loads((bundle / "index.json").read_bytes())["manifests"]
    manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_bytes())
    for layer in manifest["layers"]:
        with tarfile.open(blobs / layer["digest"].removeprefix("sha256:")) as tar:
            tar.extractall(release, filter="data")


def program(release: Path, *words: str | Path) -> bytes:
    argv = [*QEMU, release / "bin" / "digits", *words]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def test_gcc_made_it(release: Path) -> None:
    made = release / "bin" / "digits"
    said = subprocess.run(
        ["aarch64-linux-gnu-readelf", "-h", made], capture_output=True, text=True, check=True
    )
    assert "AArch64" in said.stdout
    assert b"libgomp" in made.read_bytes(), "GNU's OpenMP, which zig does not have"


THREADS = """\
#include <iostream>
int main() {
#pragma omp parallel
  std::cout << "one" << std::endl;
}
"""


def test_every_library_in_it_is_in_the_bill_with_its_licence(release: Path, tmp_path: Path) -> None:
    """What the compiler itself says that it takes for such a program, by the packages that hold it."""
    (tmp_path / "threads.cpp").write_text(THREADS)
    argv = ["aarch64-linux-gnu-g++", "threads.cpp", *flags("gcc").link, "-Wl,--trace"]
    said = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    files = {Path(path).resolve() for path in re.findall(r"/usr/[^\s()]+\.[ao]\b", said)}
    assert "libgomp.a" in {file.name for file in files}
    owners = subprocess.run(["dpkg-query", "-S", *files], capture_output=True, text=True, check=True).stdout
    packages = {line.partition(":")[0] for line in owners.splitlines()}
    bill = json.loads((release / "sbom.cdx.json").read_bytes())["components"]
    debian = {part["name"]: part["purl"] for part in bill if "pkg:deb/" in part.get("purl", "")}
    told = {purl.removeprefix("pkg:deb/debian/").partition("@")[0] for purl in debian.values()}
    assert {name.replace("%2B", "+") for name in told} == packages
    assert set(debian) == {"glibc", "libgcc", "libgomp", "libstdc++"}
    for name in debian:
        assert "Free Software Foundation" in (release / "LICENSES" / f"{name}.txt").read_text()


def test_golden_vectors_hold(release: Path) -> None:
    report = json.loads(program(release, "verify"))
    assert (report["ok"], report["samples"]) == (True, 64)


def test_every_held_out_image_has_the_class_of_onnx_runtime(release: Path) -> None:
    live = reference.of(Path(__file__).parents[2] / "examples/digits")
    images = [Path(__file__).parents[2] / "examples/digits/data/val" / file for file in live.files]
    answers = [json.loads(line) for line in program(release, "infer", *images).splitlines()]
    assert np.array_equal([answer["class"] for answer in answers], live.classes)
