"""A program's protection is read off its file, for each toolchain; a flag that is missing is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgepack.catalog.toolchains import flags
from edgepack.compile import hardening, loads
from edgepack.compile.errors import LoadError
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run

pytestmark = pytest.mark.slow

# An array to guard, and a copy whose length only the run knows.
SOURCE = """\
#include <cstdio>
#include <cstring>
int main(int argc, char** argv) {
  char text[16];
  std::memcpy(text, argv[0], static_cast<unsigned>(argc));
  return std::printf("%s", text) > 99;
}
"""


def made(folder: Path, name: str, without: str = "", *more: str) -> Path:
    tool = toolchain(name, host_arch())
    known = flags(name)
    words = [word for word in (*known.release, *known.compile, *known.link) if word != without]
    (folder / "main.cpp").write_text(SOURCE)
    program = folder / "program"
    done = run(command(*tool.cxx, *words, *more, folder / "main.cpp", "-o", program, env=tool.env))
    assert done.ok, done.text()
    return program


needs_gcc = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ on this host")
EACH = [pytest.param("zig"), pytest.param("gcc", marks=needs_gcc)]


@pytest.mark.parametrize("name", EACH)
def test_all_of_it_is_in_a_program_of_each_toolchain(tmp_path: Path, name: str) -> None:
    found = hardening.check(made(tmp_path, name))
    assert (found.pie, found.relro, found.bind_now, found.no_exec_stack) == (True, True, True, True)
    assert found.stack_protector
    assert found.fortified is (name == "gcc"), "glibc has checked functions, musl has none"


WITHOUT = {
    "-static-pie": ("no pie, relro, bind now", "-static-pie", ("-static", "-no-pie", "-Wl,-z,norelro")),
    "-fstack-protector-strong": ("no stack protector", "-fstack-protector-strong", ()),
    "-Wl,-z,relro,-z,now": ("no relro", "-Wl,-z,relro", ("-Wl,-z,norelro",)),
    "-Wl,-z,noexecstack": ("no no exec stack", "-Wl,-z,noexecstack", ("-Wl,-z,execstack",)),
}


@needs_gcc
@pytest.mark.parametrize("flag", WITHOUT)
def test_what_is_missing_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    said, fix, instead = WITHOUT[flag]
    off = ("-fno-stack-protector",) if flag.startswith("-fstack") else ()
    program = made(tmp_path, "gcc", flag, *instead, *off)
    if flag.startswith("-fstack"):  # a static glibc brings functions of its own that are guarded
        program = made(tmp_path, "gcc", "-static-pie", "-pie", *off, "-fno-stack-protector")
    with pytest.raises(LoadError) as refused:
        hardening.check(program)
    assert said in refused.value.what
    assert fix in refused.value.fix
    assert refused.value.exit_code == 7


@needs_gcc
def test_a_program_that_is_to_need_nothing_and_needs_a_library_is_refused(tmp_path: Path) -> None:
    program = made(tmp_path, "gcc", "-static-pie", "-pie")
    with pytest.raises(
        LoadError, match=r"program asks for lib\S+, and is to need nothing of the box"
    ) as refused:
        loads.check_static(program, host_arch())
    assert "-static-pie" in refused.value.fix
    other = "armhf" if host_arch() != "armhf" else "x86_64"
    with pytest.raises(LoadError, match=f"program is for {host_arch()}, not {other}"):
        loads.check_static(made(tmp_path, "gcc"), other)
    assert loads.check_static(made(tmp_path, "gcc"), host_arch()) == loads.Needs("static")
