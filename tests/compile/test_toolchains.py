"""Four architectures, one C++ file, two folders: the same bytes, and they run."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from edgepack.catalog.architectures import ARCHITECTURES, architecture, of_machine
from edgepack.catalog.toolchains import gcc_program
from edgepack.compile.elf import inspect, split_debug
from edgepack.compile.toolchains.select import toolchain
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import InputError, ToolError
from edgepack.tools import cache, qemu
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(hello LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
add_executable(hello main.cpp)
"""
# Exceptions, threads, locales and streams: what a static libc gets wrong first. __FILE__ and a shift
# that a sanitiser would trap on: what must not reach a box.
PROGRAM = """
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
int main(int argc, char** argv) {
    std::string caught;
    std::thread thread([&] {
        try { std::vector<int>().at(1); } catch (const std::out_of_range&) { caught = "caught"; }
    });
    thread.join();
    int shifted = 1 << (30 + argc);
    std::cout << caught << ' ' << shifted << ' ' << 0.5 + argc << ' ' << __FILE__ << std::endl;
}
"""
SAID = "caught -2147483648 1.5 /project/main.cpp\n"
BUILD_ID = "0123456789abcdef0123456789abcdef01234567"


def compiled(tool: Toolchain, folder: Path, project: str = PROJECT) -> Path:
    source, build = folder / "source", folder / "build"
    source.mkdir(parents=True)
    (source / "CMakeLists.txt").write_text(project)
    (source / "main.cpp").write_text(PROGRAM)
    file = tool.cmake_toolchain_file(folder / "toolchain", build_id=BUILD_ID, moves=folder)
    for argv in (tool.configure(source, build, file), (str(tool.ninja), "-C", str(build))):
        done = run(command(*argv))
        assert done.ok, done.text()
    return build / "hello"


def answer(program: Path, arch: str) -> str:
    """What the program prints, natively or under an emulator; the test is skipped where neither is here."""
    here = of_machine(platform.machine())
    if here is not None and here.name == arch:
        argv: tuple[Path, ...] = (program,)
    else:
        emulator = qemu.find(arch)
        if emulator is None:
            pytest.skip(f"no emulator for {arch} here: compiled, not run")
        argv = (emulator, program)
    done = run(command(*argv))
    assert done.ok, done.text()
    return done.stdout.decode()


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_zig_makes_the_same_static_program_in_any_folder(arch: str, tmp_path: Path) -> None:
    tool = toolchain("zig", arch)
    program = compiled(tool, tmp_path / "one")
    again = compiled(tool, tmp_path / "somewhere" / "else")
    assert digest(program) == digest(again)
    info = inspect(program)
    assert (info.arch, info.static, info.build_id, info.stripped) == (arch, True, BUILD_ID, False)
    small, debug = tmp_path / "hello", tmp_path / "hello.debug"
    split_debug(program, small, debug)
    for place in (tmp_path, tool.cmake.parent.parent, cache.root()):
        assert str(place).encode() not in small.read_bytes()
    assert inspect(small).stripped
    assert small.stat().st_size < 1_000_000
    assert answer(program, arch) == SAID
    assert answer(small, arch) == SAID


@pytest.mark.slow
def test_a_processor_is_compiled_for_and_its_libraries_are_not_made_again(tmp_path: Path) -> None:
    plain = compiled(toolchain("zig", "aarch64"), tmp_path / "plain")
    tuned = compiled(toolchain("zig", "aarch64", cpu="cortex-a72"), tmp_path / "tuned")
    assert digest(plain) != digest(tuned)
    assert answer(tuned, "aarch64") == SAID


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_gcc_makes_a_static_program_where_it_is_installed(arch: str, tmp_path: Path) -> None:
    try:
        tool = toolchain("gcc", arch)
    except ToolError:
        pytest.skip(f"{gcc_program(arch)} is not installed")
    program = compiled(tool, tmp_path / "one")
    assert digest(program) == digest(compiled(tool, tmp_path / "two"))
    assert inspect(program).static
    assert answer(program, arch) == SAID


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_missing_cross_compiler_comes_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="no arm-linux-gnueabihf-g\\+\\+ for armhf") as refused:
        toolchain("gcc", "armhf")
    assert "apt-get install g++-arm-linux-gnueabihf" in refused.value.fix


@pytest.mark.parametrize(("name", "arch"), [("clang", "aarch64"), ("zig", "mips")])
def test_an_unknown_name_is_refused_before_anything_is_fetched(name: str, arch: str) -> None:
    with pytest.raises(InputError):
        toolchain(name, arch)


@pytest.fixture
def made_up(tmp_path: Path) -> Toolchain:
    """A toolchain of echoes: what the wrappers and the CMake file say can be read without a compiler."""
    from edgepack.catalog.toolchains import flags

    return Toolchain(
        name="zig",
        version="0",
        arch=architecture("armhf"),
        cc=("echo", "cc", "it's $HOME"),
        cxx=("echo", "c++"),
        ar=("echo", "ar"),
        ranlib=("echo", "ranlib"),
        cmake=tmp_path / "cmake",
        ninja=tmp_path / "ninja",
        flags=flags("zig"),
        cpu_flags=("-mcpu=cortex_a7",),
        env={"KEPT": "a b"},
        prefix_maps={Path("/opt/zig/lib"): "/zig"},
    )


@pytest.mark.parametrize(
    ("program", "given", "called"),
    [
        ("cc", ["-c", "a.c"], "cc it's $HOME -c a.c"),
        ("cxx", ["a b", "$(x)", '"'], 'c++ a b $(x) "'),
        ("cc", ["CMakeCCompilerId.c"], "cc it's $HOME -c CMakeCCompilerId.c"),
        (
            "cxx",
            ["-Xclang", "-emit-pch", "-x", "c++-header", "-o", "h.pch", "-c", "a b.cxx"],
            "c++ -Xclang -fno-pch-timestamp -x c++-header -o h.pch a b.cxx",
        ),
    ],
)
def test_a_wrapper_passes_every_word_on(
    made_up: Toolchain, tmp_path: Path, program: str, given: list[str], called: str
) -> None:
    made_up.cmake_toolchain_file(tmp_path / "a b")
    said = subprocess.run([tmp_path / "a b" / program, *given], capture_output=True, check=True)
    assert said.stdout.decode() == called + "\n"


def test_the_processor_is_named_when_compiling_and_never_when_linking(
    made_up: Toolchain, tmp_path: Path
) -> None:
    text = made_up.cmake_toolchain_file(tmp_path, maps={Path("/src"): "/user"}).read_text()
    compiling = text[text.index("add_compile_options(") :]
    assert '"-mcpu=cortex_a7"' in compiling
    assert '"-ffile-prefix-map=/src=/user"' in compiling
    assert '"-ffile-prefix-map=/opt/zig/lib=/zig"' in compiling
    assert "cortex" not in text.replace(compiling, "")
    assert "CMAKE_SYSTEM_PROCESSOR armv7l" in text


def test_files_that_would_not_change_are_left_alone(made_up: Toolchain, tmp_path: Path) -> None:
    file = made_up.cmake_toolchain_file(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert made_up.cmake_toolchain_file(tmp_path) == file
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_ccache_is_told_which_compiler_it_is(
    made_up: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "echo").symlink_to("/bin/echo")
    monkeypatch.setenv("PATH", str(without))
    assert "LAUNCHER" not in made_up.cmake_toolchain_file(tmp_path / "a").read_text()
    (without / "ccache").symlink_to("/bin/echo")
    text = made_up.cmake_toolchain_file(tmp_path / "b").read_text()
    assert f"CCACHE_COMPILERCHECK=string:zig-0-{Path('/bin/echo').resolve().stat().st_size}-" in text
    assert f";{without / 'ccache'}" in text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ccache") is None, reason="there is no ccache on this host")
@pytest.mark.parametrize("name", ["zig", "gcc"])
def test_what_ccache_has_is_not_compiled_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from another folder either; and a debugger reads the same names as where there is no ccache."""
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "ccache"))
    try:
        tool = toolchain(name, host_arch())
    except ToolError:
        pytest.skip(f"{gcc_program(host_arch())} is not installed")
    project = f"{PROJECT}set_target_properties(hello PROPERTIES UNITY_BUILD ON)\n"
    first = digest(compiled(tool, tmp_path / "project", project))
    shutil.rmtree(tmp_path / "project")
    assert digest(compiled(tool, tmp_path / "project", project)) == first
    hits = ccache_hits()
    assert hits >= 1
    assert digest(compiled(tool, tmp_path / "somewhere" / "else", project)) == first
    assert ccache_hits() > hits
    monkeypatch.setenv("CCACHE_DISABLE", "1")
    assert digest(compiled(tool, tmp_path / "without", project)) == first


def ccache_hits() -> int:
    told = run(command("ccache", "--print-stats")).stdout.decode()
    counts = dict(line.split("\t") for line in told.splitlines())
    return int(counts["direct_cache_hit"]) + int(counts["preprocessed_cache_hit"])
