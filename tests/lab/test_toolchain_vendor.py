"""A compiler by its path: Debian's cross gcc under another prefix, with a sysroot of Debian packages."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edgepack.catalog.architectures import architecture
from edgepack.catalog.toolchains import GccByPath
from edgepack.compile import hardening
from edgepack.compile.elf import inspect
from edgepack.compile.toolchains.gcc import vendors
from edgepack.errors import ToolError
from tests.compile.test_toolchains import SAID, answer, compiled, digest
from tests.lab.project import Project

CROSS = Path("/usr/lib/gcc-cross")
TOOLS = ("gcc", "g++", "ar", "ranlib", "as", "ld", "nm")


def prefix(folder: Path) -> Path:
    """Copies of the programs, so that they look for their parts beside themselves; links to those."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    for tool in TOOLS:
        shutil.copy(f"/usr/bin/aarch64-linux-gnu-{tool}", folder / "bin")
    (folder / "lib" / "gcc-cross").symlink_to(CROSS)
    shutil.copytree(
        "/usr/aarch64-linux-gnu", folder / "aarch64-linux-gnu", copy_function=linked, symlinks=True
    )
    return folder / "bin" / "aarch64-linux-gnu-gcc"


def linked(source: str, target: str) -> None:
    Path(target).symlink_to(source)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> GccByPath:
    folder = tmp_path_factory.mktemp("vendor")
    project = Project(folder / "digits")
    made = project.said(
        "sysroot", "aarch64", "libc6-dev", "zlib1g-dev", "--suite", "bookworm", "--into", folder / "sys root"
    )
    assert made["made"] is True
    return GccByPath(prefix(folder / "opt of a vendor"), Path(made["sysroot"]))


def test_two_folders_give_the_same_hardened_program(given: GccByPath, tmp_path: Path) -> None:
    tool = vendors(given, architecture("aarch64"))
    program = compiled(tool, tmp_path / "one")
    assert digest(program) == digest(compiled(tool, tmp_path / "somewhere" / "else"))
    assert inspect(program).static
    hardening.check(program)
    assert answer(program, "aarch64") == SAID
    for place in (given.gcc.parents[1], given.sysroot):
        assert str(place).encode() not in program.read_bytes()


def test_a_lock_makes_the_same_sysroot_elsewhere(given: GccByPath, tmp_path: Path) -> None:
    first = Project(tmp_path / "first")
    words = ("sysroot", "aarch64", "libc6-dev", "--suite", "bookworm", "--into")
    first.said(*words, tmp_path / "one")
    second = Project(tmp_path / "second")
    shutil.copy(first.folder / "sysroot.lock.json", second.folder)
    made = second.said("sysroot", "aarch64", "--into", tmp_path / "two")
    assert made["made"] is True
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    lock = (second.folder / "sysroot.lock.json").read_text()
    assert lock == (first.folder / "sysroot.lock.json").read_text()
    assert '"sha256"' in lock


def contents(folder: Path) -> dict[str, str]:
    """Path → what a file holds, or where a link leads."""
    return {
        str(p.relative_to(folder)): str(p.readlink()) if p.is_symlink() else digest(p)
        for p in sorted(folder.rglob("*"))
        if p.is_symlink() or p.is_file()
    }


FIND = """\
cmake_minimum_required(VERSION 3.25)
project(hello LANGUAGES CXX)
find_library(Z NAMES z REQUIRED)
find_path(ZLIB_H zlib.h REQUIRED)
file(WRITE "${CMAKE_BINARY_DIR}/found" "${Z}\\n${ZLIB_H}\\n")
"""


def test_libraries_are_found_in_the_sysroot_and_nowhere_else(given: GccByPath, tmp_path: Path) -> None:
    tool = vendors(given, architecture("aarch64"))
    (tmp_path / "CMakeLists.txt").write_text(FIND)
    file = tool.cmake_toolchain_file(tmp_path / "toolchain")
    subprocess.run(tool.configure(tmp_path, tmp_path / "build", file), check=True, capture_output=True)
    found = (tmp_path / "build" / "found").read_text().split("\n")
    assert all(line.startswith(str(given.sysroot)) for line in found if line), found


def test_one_for_another_processor_is_refused(given: GccByPath) -> None:
    with pytest.raises(ToolError, match=r"aarch64-linux-gnu-gcc is for aarch64-linux-gnu, not for armhf"):
        vendors(given, architecture("armhf"))
    with pytest.raises(ToolError, match="has no headers"):
        vendors(GccByPath(given.gcc, given.gcc.parent), architecture("aarch64"))


def test_the_example_is_built_with_it_and_proven(given: GccByPath, tmp_path: Path) -> None:
    project = Project(tmp_path / "digits")
    manifest = project.folder / "edgepack.yaml"
    toolchain = json.dumps({"gcc": str(given.gcc), "sysroot": str(given.sysroot)})
    manifest.write_text(
        manifest.read_text().replace("  aarch64: {}", f"  aarch64: {{toolchain: {toolchain}}}")
    )
    (built,) = project.said("build", "aarch64")["bundles"]
    assert "verified on emulator or simulator (qemu-user" in built["proof"]["state"]
