"""What is read from a program decides whether it would start on the box, and says what to do if not."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from edgepack.catalog.architectures import ARCHITECTURES, of_machine
from edgepack.compile.elf import ElfInfo, VersionNeed, check_loads, inspect, libc_of, split_debug
from edgepack.compile.errors import LoadError
from edgepack.tools import qemu
from edgepack.tools.runner import command, run

STATIC = ElfInfo(Path("digits"), "aarch64", True, None, None, (), {}, "ab" * 20, True)
DYNAMIC = replace(
    STATIC,
    static=False,
    interpreter="/lib/ld-linux-aarch64.so.1",
    needed=("libstdc++.so.6", "libc.so.6", "ld-linux-aarch64.so.1"),
    version_needs={
        "GLIBC": VersionNeed("2.34", "pthread_create", "libc.so.6"),
        "GLIBCXX": VersionNeed("3.4.9", "_ZNSo9_M_insert", "libstdc++.so.6"),
    },
)
HERE = ("libstdc++.so.6",)


@pytest.mark.parametrize(
    ("arch", "loader", "libc"),
    [
        ("aarch64", "/lib/ld-linux-aarch64.so.1", "glibc"),
        ("riscv64", "/lib/ld-musl-riscv64.so.1", "musl"),
        ("riscv64", "/lib/ld-musl-riscv64v0p7_xthead.so.1", "musl"),  # T-Head's, of CV180x's SDK
        ("armhf", "/lib/ld-uClibc.so.0", "uClibc"),
        ("armhf", "/lib/ld-musl-riscv64.so.1", ""),
        ("aarch64", "/opt/mine/ld-uClibc.so.0", ""),
        ("aarch64", None, ""),
    ],
)
def test_a_libc_is_told_by_its_loader(arch: str, loader: str | None, libc: str) -> None:
    assert libc_of(replace(DYNAMIC, arch=arch, interpreter=loader)) == libc


@pytest.mark.parametrize(
    ("info", "floors", "provided"),
    [
        (STATIC, {"GLIBC": "2.17"}, ()),
        (DYNAMIC, {"GLIBC": "2.34", "GLIBCXX": "3.4.10"}, HERE),
        (DYNAMIC, {"GLIBC": "2.41"}, HERE),
        (DYNAMIC, {}, HERE),  # a box whose libc nobody knows is not judged
        (replace(DYNAMIC, interpreter="/lib/ld-musl-aarch64.so.1", version_needs={}), {}, HERE),
        (replace(DYNAMIC, interpreter="/lib/ld-uClibc.so.0", version_needs={}), {}, HERE),
        (replace(DYNAMIC, interpreter=None, soname="libmine.so"), {"GLIBC": "2.36"}, HERE),
    ],
)
def test_what_would_start_is_let_through(
    info: ElfInfo, floors: Mapping[str, str], provided: Collection[str]
) -> None:
    check_loads(info, "aarch64", floors, provided)


@pytest.mark.parametrize(
    ("info", "arch", "floors", "provided", "says"),
    [
        (STATIC, "armhf", {}, (), ["is for aarch64, not armhf", "build for this target"]),
        (replace(STATIC, arch=None), "armhf", {}, (), ["an architecture edgepack does not know"]),
        (DYNAMIC, "aarch64", {"GLIBC": "2.31"}, HERE, ["GLIBC_2.34", "pthread_create", "libc.so.6", "zig"]),
        (DYNAMIC, "aarch64", {"GLIBC": "2.4"}, HERE, ["the target has 2.4"]),  # 4 is less than 34
        (DYNAMIC, "aarch64", {"GLIBCXX": "3.4.8"}, HERE, ["GLIBCXX_3.4.9", "_ZNSo9_M_insert"]),
        (DYNAMIC, "aarch64", {}, (), ["needs libstdc++.so.6", "into the bundle"]),
        (replace(DYNAMIC, interpreter="/opt/x/ld.so"), "aarch64", {}, HERE, ["/opt/x/ld.so"]),
    ],
)
def test_what_would_not_start_is_refused_with_object_symbol_and_fix(
    info: ElfInfo, arch: str, floors: Mapping[str, str], provided: Collection[str], says: list[str]
) -> None:
    with pytest.raises(LoadError) as refused:
        check_loads(info, arch, floors, provided)
    said = f"{refused.value.what}\n{refused.value.why}\n{refused.value.fix}"
    assert "digits" in said
    for words in says:
        assert words in said
    assert refused.value.exit_code == 7


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_program_is_of_its_architecture_and_of_no_other(arch: str, tmp_path: Path) -> None:
    program = tmp_path / "probe"
    program.write_bytes(qemu.probe(arch))
    info = inspect(program)
    assert info.static
    for other in ARCHITECTURES:
        if other == arch:
            check_loads(info, other, {})
        else:
            with pytest.raises(LoadError, match=f"is for {arch}, not {other}"):
                check_loads(info, other, {})


def host_program(name: str) -> Path:
    found = shutil.which(name)
    assert found is not None
    return Path(found).resolve()


def test_a_real_program_of_this_host_names_its_loader_libraries_and_versions() -> None:
    info = inspect(Path(sys.executable).resolve())
    here = of_machine(platform.machine())
    assert here is not None
    assert info.arch == here.name
    if info.interpreter != here.loader:
        pytest.skip("this host's Python is not linked against glibc")
    assert any(name.startswith("libc.so") for name in info.needed)
    need = info.version_needs["GLIBC"]
    assert need.library.startswith("lib")
    assert need.symbol
    with pytest.raises(LoadError, match=rf"GLIBC_{need.version}, the target has 2\.2"):
        check_loads(info, here.name, {"GLIBC": "2.2"}, info.needed)
    check_loads(info, here.name, {"GLIBC": need.version}, info.needed)


@pytest.mark.parametrize("cut", [0, 3, 4, 15, 40, 63, 64, 70, 200, 1000, 5000])
def test_a_damaged_file_is_a_sentence_and_not_a_traceback(cut: int, tmp_path: Path) -> None:
    damaged = tmp_path / "digits"
    damaged.write_bytes(host_program("true").read_bytes()[:cut])
    with pytest.raises(LoadError, match="digits is not a program for Linux"):
        inspect(damaged)


def test_what_is_not_a_program_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "digits"
    script.write_text("#!/bin/sh\n" * 100)
    with pytest.raises(LoadError, match="digits is not a program for Linux"):
        inspect(script)
    with pytest.raises(LoadError, match="absent is not a program for Linux"):
        inspect(tmp_path / "absent")


def test_a_stripped_program_runs_and_is_known_by_its_build_id(tmp_path: Path) -> None:
    whole, small, debug = tmp_path / "whole", tmp_path / "true", tmp_path / "true.debug"
    shutil.copy2(host_program("true"), whole)
    split_debug(whole, small, debug)
    assert run(command(small)).returncode == 0
    assert debug.read_bytes() == whole.read_bytes()
    before, after = inspect(whole), inspect(small)
    assert after.stripped
    assert (after.build_id, after.needed, after.interpreter) == (
        before.build_id,
        before.needed,
        before.interpreter,
    )
    assert after.version_needs == before.version_needs
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "true", "true.debug"}


def test_a_stripped_program_does_not_tell_what_its_debug_information_was(tmp_path: Path) -> None:
    small, again = tmp_path / "small", tmp_path / "again"
    split_debug(host_program("true"), small, tmp_path / "a.debug")
    split_debug(small, again, tmp_path / "b.debug")
    assert again.read_bytes() == small.read_bytes()
    assert run(command(again)).returncode == 0
