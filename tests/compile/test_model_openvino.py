"""A program with OpenVINO computes what NumPy does, brings what it needs, and says what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.catalog.openvino_build import OPENVINO
from edgepack.compile import loads
from edgepack.compile.elf import inspect
from edgepack.compile.errors import LoadError
from edgepack.tools.qemu import host_arch
from tests.compile import openvino_ir, packaged_project
from tests.compile.packaged_project import loaded, verified

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_arch() not in OPENVINO.libraries, reason="there is no library for this host"),
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = packaged_project.release(tmp_path_factory.mktemp("openvino"), "openvino")
    openvino_ir.write(place / "model")
    return place


@pytest.fixture
def copy(release: Path, tmp_path: Path) -> Path:
    """A release of its own, whose libraries are links to the one's: they are large."""
    place = tmp_path / "release"
    shutil.copytree(release, place, copy_function=shutil.copy2, ignore=shutil.ignore_patterns("lib"))
    (place / "lib").mkdir()
    for library in (release / "lib").iterdir():
        (place / "lib" / library.name).hardlink_to(library)
    return place


def test_it_computes_what_numpy_does_and_asks_for_an_old_glibc_only(release: Path) -> None:
    code, report = verified(release)
    assert (code, report["ok"], report["samples"]) == (0, True, 5), report
    libraries = sorted((release / "lib").iterdir())
    needs = loads.check(release / "bin" / "tiny", libraries, host_arch(), "2.36")
    assert needs.libc == f"glibc {max(needs.libc.split()[1], '2.17')}"
    assert inspect(release / "bin" / "tiny").version_needs["GLIBC"].version == "2.17"
    taken = loaded(release, ["libstdc++.so.6", "libgcc_s.so.1"])
    assert [Path(path).resolve().parent for path in taken] == [release / "lib"] * 2
    # What the catalogue tells a plan is what the files say.
    floor = OPENVINO.libraries[host_arch()].glibc
    assert needs.libc == f"glibc {floor}"


def test_a_plugin_too_is_held_to_the_target_and_to_what_lies_beside_it(release: Path) -> None:
    program, libraries = release / "bin" / "tiny", sorted((release / "lib").iterdir())
    (plugin,) = (path for path in libraries if path.name.endswith("_plugin.so"))
    assert inspect(plugin).soname is None
    with pytest.raises(LoadError, match=rf"{plugin.name} needs GLIBC_2\.\d+, the target has 2\.17") as old:
        loads.check(
            program, [plugin, *(p for p in libraries if "libopenvino" not in p.name)], host_arch(), "2.17"
        )
    assert f"take a build of {plugin.name}" in old.value.fix
    with pytest.raises(LoadError, match=r"needs libtbb\.so\.12, which neither"):
        loads.check(program, [p for p in libraries if "tbb" not in p.name], host_arch(), "2.36")


def cut(release: Path) -> None:
    file = release / "model" / "model.xml"
    file.write_bytes(file.read_bytes()[:200])


def without(pattern: str) -> Callable[[Path], None]:
    def change(release: Path) -> None:
        for library in (release / "lib").glob(pattern):
            library.unlink()

    return change


def damaged(release: Path) -> None:
    (library,) = (release / "lib").glob("libopenvino_c.so.*")
    library.unlink()
    library.write_bytes(b"ELF")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no model": (lambda r: (r / "model/model.xml").unlink(), "OpenVINO cannot read"),
    "half a model": (cut, "OpenVINO cannot read"),
    "no weights": (lambda r: (r / "model/model.bin").write_bytes(b"1234"), "OpenVINO cannot"),
    "another output": (lambda r: openvino_ir.write(r / "model", logits="scores"), "find the output logits"),
    "another input": (lambda r: openvino_ir.write(r / "model", image="picture"), "find the input image"),
    "half precision at its input": (
        lambda r: openvino_ir.write(r / "model", kind="float16"),
        "image is not float32",
    ),
    "a batch of two": (
        lambda r: openvino_ir.write(r / "model", batch=2),
        "image has 32 numbers, {1, 4, 4} was expected",
    ),
    "no library": (without("*"), "OpenVINO cannot be loaded"),
    "a damaged library": (damaged, "file too short"),
    "no plugin for the processor": (without("*_plugin.so"), "OpenVINO cannot compile"),
    "nothing that reads IR": (without("*_ir_frontend*"), "OpenVINO cannot read"),
}


@pytest.mark.parametrize(("breaks", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_and_is_never_a_pass(
    copy: Path, breaks: Callable[[Path], object], says: str
) -> None:
    breaks(copy)
    packaged_project.expect_refusal(copy, says)


def test_an_image_that_does_not_fit_costs_one_image(release: Path, tmp_path: Path) -> None:
    packaged_project.expect_one_image_lost(release, tmp_path)
