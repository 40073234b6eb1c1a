"""The form `sdk`: a library with a C interface, its CMake package, and what a partner reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.architectures import architecture
from edgepack.compile import elf
from edgepack.compile.errors import CompileError, LoadError
from edgepack.compile.quoting import c_name
from edgepack.compile.render import ProgramSpec
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.tools.runner import command, run

WORDS = "library.rsp"  # in the build folder: what the library's link is given besides


@dataclass(frozen=True)
class Library:
    """The names of a shared library: file, soname (by which programs ask for it), link name."""

    file: str
    soname: str
    link: str


def library(spec: ProgramSpec) -> Library:
    """By the semantic version: libraries of one major version can be exchanged."""
    link = f"lib{spec.name}.so"
    return Library(f"{link}.{'.'.join(map(str, spec.release))}", f"{link}.{spec.release[0]}", link)


def name_library(build: Path, build_id: str) -> None:
    """Give the library's link a build-id of its own: a debugger tells it and the program apart by it."""
    own = hashlib.sha256(f"{build_id} library".encode()).hexdigest()[:40]
    words = f"-Wl,--build-id=0x{own}\n"
    file = build / WORDS
    if not file.is_file() or file.read_text() != words:
        file.write_text(words)


def collect(spec: ProgramSpec, tools: Toolchain, build: Path, dest: Path, log: Path) -> dict[str, Path]:
    """What CMake installs, the library stripped and looked at; by path in the SDK.

    Its debug information is ``debug/<file>.debug``. Raises CompileError where CMake fails, LoadError where
    the library would not load on a system with the oldest glibc there is, or exports what it must not.
    """
    argv = (str(tools.cmake), "--install", str(build), "--component", "library", "--prefix", str(dest))
    done = run(command(*argv), log=log)
    if not done.ok:
        raise CompileError(
            "CMake cannot put the SDK together",
            where=str(log),
            why=f"it ended with {done.returncode}",
            fix="see the log",
            detail=done.text().strip()[-2000:],
        )
    names = library(spec)
    debug = dest / "debug" / f"{names.file}.debug"
    debug.parent.mkdir()
    built = dest / "lib" / names.file
    elf.split_debug(built, built, debug)
    elf.check_loads(elf.inspect(built), spec.arch, {"GLIBC": architecture(spec.arch).glibc})
    strangers = sorted(name for name in elf.exports(built) if not name.startswith(f"{c_name(spec.name)}_"))
    if strangers:
        raise LoadError(
            f"{names.file} exports {len(strangers)} symbols besides its interface",
            where=str(built),
            why=f"{', '.join(strangers[:5])}: a partner may have others of those names",
            fix="give the function in your C++ hidden visibility, or no __attribute__ of its own",
        )
    # Links of the soname are made again where the SDK is laid out: the store keeps files alone.
    return {
        p.relative_to(dest).as_posix(): p
        for p in sorted(dest.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }
