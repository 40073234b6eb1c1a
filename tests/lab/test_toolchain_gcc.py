"""Debian's cross gcc instead of zig: the same answers, from a program that the GNU compiler made."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

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
    said = subprocess.run(
        ["aarch64-linux-gnu-readelf", "-h", "-p", ".comment", release / "bin" / "digits"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "AArch64" in said
    assert "GCC: (Debian" in said
    assert "clang" not in said


def test_golden_vectors_hold(release: Path) -> None:
    report = json.loads(program(release, "verify"))
    assert (report["ok"], report["samples"]) == (True, 64)


def test_every_held_out_image_has_the_class_of_onnx_runtime(release: Path) -> None:
    live = reference.of(Path(__file__).parents[2] / "examples/digits")
    images = [Path(__file__).parents[2] / "examples/digits/data/val" / file for file in live.files]
    answers = [json.loads(line) for line in program(release, "infer", *images).splitlines()]
    assert np.array_equal([answer["class"] for answer in answers], live.classes)
