"""A static gdbserver for a box that has none: gdb's source, by its own configure and make, with zig."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from edgepack.catalog import gdbserver_build as data
from edgepack.compile.elf_strip import strip
from edgepack.compile.errors import CompileError
from edgepack.compile.toolchains.select import toolchain
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError
from edgepack.tools import cache, debian_files
from edgepack.tools.runner import command, run


def build_gdbserver(arch: str, progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The program for an architecture, from the cache or made now (three CPU-minutes, once).

    Raises ToolError where toolchain, source or ``make`` cannot be had, CompileError where it fails.
    """
    dest = cache.root() / "gdbserver" / data.key(arch) / "gdbserver"
    if dest.is_file():
        return dest
    with cache.locked(dest.parent):
        if not dest.is_file():
            _build(arch, dest, progress)
    return dest


def _build(arch: str, dest: Path, progress: Callable[[str], None]) -> None:
    make = shutil.which("make")
    if make is None:
        raise ToolError(
            "make is not on this host, and gdbserver is made with it",
            why=f"the box has no gdbserver, and none was made for {arch} yet",
            fix="install make (apt install make), or gdbserver on the box",
        )
    tool = toolchain("zig", arch, None, progress)
    source = debian_files.source(data.SOURCE, progress)
    log = cache.root() / "logs" / f"gdbserver-{arch}.log"
    log.unlink(missing_ok=True)
    work = cache.root() / "building" / f"gdbserver-{arch}-{data.key(arch)[:16]}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "build").mkdir(parents=True)
    progress(f"gdbserver for {arch}: configuring, a minute")
    _checked(arch, _configure(tool, source, work), log)
    progress(f"gdbserver for {arch}: compiling, a minute or two")
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    _checked(arch, (make, "-C", str(work / "build"), jobs, "all-gdbserver", "MAKEINFO=true"), log)
    program = strip((work / "build" / "gdbserver" / "gdbserver").read_bytes())
    if len(program) > data.MOST_BYTES:
        raise CompileError(f"the gdbserver for {arch} has {len(program)} bytes", where=str(log))
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_suffix(".part")
    part.write_bytes(program)
    part.chmod(0o755)
    part.rename(dest)
    shutil.rmtree(work, ignore_errors=True)


def _configure(tool: Toolchain, source: Path, work: Path) -> tuple[str, ...]:
    """Its own configure, from the build's folder: each tool is one program, as it wants them."""
    tool.cmake_toolchain_file(work / "tools", maps={source: "/gdb", work / "build": "/build"})
    maps = tuple(f"-ffile-prefix-map={path}={name}" for path, name in ((source, "/gdb"), (work, "/build")))
    flags = " ".join((*tool.flags.compile, *tool.flags.release, *data.COMPILED, *maps))
    tools = {"CC": "cc", "CXX": "cxx", "AR": "ar", "RANLIB": "ranlib"}
    build = toolchain_name()
    return (
        "/bin/sh",
        "-c",
        'cd "$1" && shift && exec "$@"',
        "sh",
        str(work / "build"),
        str(source / "configure"),
        f"--host={tool.arch.zig_musl}",
        f"--build={build}",
        *data.OPTIONS,
        *(f"{name}={work / 'tools' / program}" for name, program in tools.items()),
        f"CFLAGS={flags}",
        f"CXXFLAGS={flags}",
        # With the words of every other program: zig's C library is then the one that is there already.
        f"LDFLAGS={' '.join((*tool.flags.release, *tool.flags.link, *data.LINKED))}",
        "MAKEINFO=true",
    )


def toolchain_name() -> str:
    """What configure is told that this host is: anything but the box, so that it runs nothing it has made."""
    return f"{os.uname().machine}-build-linux-gnu"


def _checked(arch: str, argv: tuple[str, ...], log: Path) -> None:
    done = run(command(*argv), log=log)
    if not done.ok:
        raise CompileError(
            f"gdbserver does not compile for {arch}",
            where=str(log),
            why="edgepack's pins and this host do not fit together",
            fix="see the log; or install gdbserver on the box",
            detail=done.text().strip()[-2000:],
        )
