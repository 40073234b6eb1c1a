"""A program with LiteRT computes what NumPy does, with channels last inside, and says what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.catalog.litert_build import LITERT
from edgepack.compile import loads
from edgepack.compile.elf import inspect
from edgepack.tools.qemu import host_arch
from tests.compile import packaged_project, tflite_model
from tests.compile.packaged_project import loaded, verified

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_arch() not in LITERT.libraries, reason="there is no library for this host"),
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = packaged_project.release(tmp_path_factory.mktemp("litert"), "litert", channels_last=True)
    tflite_model.write(place / "model")
    return place


@pytest.fixture
def copy(release: Path, tmp_path: Path) -> Path:
    place = tmp_path / "release"
    shutil.copytree(release, place, copy_function=shutil.copy2)
    return place


def test_it_computes_what_numpy_does_and_asks_for_an_old_glibc_only(release: Path) -> None:
    code, report = verified(release)
    assert (code, report["ok"], report["samples"]) == (0, True, 5), report
    libraries = sorted((release / "lib").iterdir())
    assert [path.name for path in libraries] == ["libLiteRt.so", "libgcc_s.so.1", "libstdc++.so.6"]
    needs = loads.check(release / "bin" / "tiny", libraries, host_arch(), "2.36")
    # What the catalogue tells a plan is what the files say.
    assert needs.libc == f"glibc {LITERT.libraries[host_arch()].glibc}"
    assert inspect(release / "bin" / "tiny").version_needs["GLIBC"].version == "2.17"
    taken = loaded(release, ["libstdc++.so.6", "libgcc_s.so.1"])
    assert [Path(path).resolve().parent for path in taken] == [release / "lib"] * 2


def cut(release: Path) -> None:
    file = release / "model" / "model.tflite"
    file.write_bytes(file.read_bytes()[:200])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no model": (lambda r: (r / "model/model.tflite").unlink(), "LiteRT cannot read"),
    "half a model": (cut, "LiteRT cannot read"),
    "another output": (lambda r: tflite_model.write(r / "model", logits="scores"), "has no output logits"),
    "another input": (
        lambda r: tflite_model.write(r / "model", image="picture"),
        "has not the one input image",
    ),
    "half precision at its input": (
        lambda r: tflite_model.write(r / "model", half=True),
        "image is not float32",
    ),
    "a batch of two": (
        lambda r: tflite_model.write(r / "model", batch=2),
        "image is {2, 4, 4, 1}, {1, 4, 4} was expected",
    ),
    "no library": (lambda r: shutil.rmtree(r / "lib"), "LiteRT cannot be loaded"),
    "another library": (
        lambda r: shutil.copy2(r / "lib/libgcc_s.so.1", r / "lib/libLiteRt.so"),
        "has no LiteRtCreateEnvironment, so it is not LiteRT",
    ),
}


@pytest.mark.parametrize(("breaks", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_and_is_never_a_pass(
    copy: Path, breaks: Callable[[Path], object], says: str
) -> None:
    breaks(copy)
    packaged_project.expect_refusal(copy, says)


def test_an_image_that_does_not_fit_costs_one_image(release: Path, tmp_path: Path) -> None:
    packaged_project.expect_one_image_lost(release, tmp_path)
