"""gcc: the host's own and Debian's cross compilers by name, a vendor's by its path and sysroot."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgepack.catalog.architectures import Architecture
from edgepack.catalog.toolchains import Flags, GccByPath, flags, gcc_program
from edgepack.compile.toolchains import zig
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError
from edgepack.tools.runner import command, run

# The first with all of C++17, and with -ffile-prefix-map (gcc.gnu.org/gcc-8/changes.html).
OLDEST = 8


def toolchain(
    arch: Architecture,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Toolchain:
    """gcc for static glibc programs. Raises ToolError, with the apt line, where it is not installed.

    CMake and Ninja come from the locked environment, as with zig.
    """
    cxx = program(arch)
    tools = zig.environment(progress)
    prefix = cxx.removesuffix("g++")
    return Toolchain(
        name="gcc",
        version=run(command(cxx, "-dumpfullversion")).stdout.decode().strip(),
        arch=arch,
        cc=(f"{prefix}gcc",),
        cxx=(cxx,),
        ar=(f"{prefix}ar",),
        ranlib=(f"{prefix}ranlib",),
        cmake=tools / "cmake",
        ninja=tools / "ninja",
        flags=flags("gcc", glibc),
        cpu_flags=cpu_flags(arch, cpu),
    )


def program(arch: Architecture) -> str:
    """Where the C++ compiler for it lies. Raises ToolError, with the apt line."""
    cxx = shutil.which(gcc_program(arch.name))
    if cxx is None:
        package = "g++" if arch.runs(platform.machine()) else f"g++-{arch.gcc.replace('_', '-')}"
        raise ToolError(
            f"no {gcc_program(arch.name)} for {arch.name}",
            why="Debian's compiler for it is not installed",
            fix=f"sudo apt-get install {package}, or leave out 'toolchain: gcc' to compile with zig",
        )
    return cxx


def vendors(
    given: GccByPath,
    arch: Architecture,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Toolchain:
    """A vendor's gcc by its path, asked what it is. Raises ToolError where it is not one for ``arch``."""
    version = check_vendors(given, arch)
    root = (f"--sysroot={given.sysroot}",) if given.sysroot else ()
    tools = zig.environment(progress)
    own = flags("gcc", glibc)
    maps = {given.gcc.resolve().parent.parent: "/gcc", given.gcc.parent.parent: "/gcc"}
    return Toolchain(
        name="gcc",
        version=version,
        arch=arch,
        cc=(str(given.gcc), *root),
        cxx=(str(given.beside("g++")), *root),
        ar=(str(given.beside("ar")),),
        ranlib=(str(given.beside("ranlib")),),
        cmake=tools / "cmake",
        ninja=tools / "ninja",
        flags=own if _has_static_pie(given, root) else without_pie(own),
        cpu_flags=cpu_flags(arch, cpu),
        prefix_maps={**maps, **({given.sysroot: "/sysroot"} if given.sysroot else {})},
        sysroot=given.sysroot,
    )


def check_vendors(given: GccByPath, arch: Architecture) -> str:
    """The compiler's version, as it says it. Raises ToolError."""
    for path in (given.gcc, given.beside("g++"), given.beside("ar"), given.beside("ranlib")):
        if not path.is_file() or not os.access(path, os.X_OK):
            raise ToolError(
                f"no {path.name} for {arch.name}",
                where=str(path.parent),
                why="it is not there, or is no program",
                fix="give the C compiler of a set that has g++, ar and ranlib beside it",
            )
    if given.sysroot and not (given.sysroot / "usr" / "include").is_dir():
        raise ToolError(
            f"the sysroot for {arch.name} has no headers",
            where=str(given.sysroot / "usr" / "include"),
            fix="give the folder that holds the target's usr/ and lib/",
        )
    machine = _asked(given.gcc, "-dumpmachine")
    if not is_for(machine, arch):
        raise ToolError(
            f"{given.gcc.name} is for {machine}, not for {arch.name}",
            where=str(given.gcc),
            fix=f"give one whose -dumpmachine begins with {arch.gcc.partition('-')[0]}",
        )
    version = _asked(given.gcc, "-dumpfullversion", "-dumpversion")
    if not version[:1].isdigit() or int(version.partition(".")[0]) < OLDEST:
        raise ToolError(
            f"{given.gcc.name} {version} is too old",
            where=str(given.gcc),
            why=f"the program is C++17: gcc {OLDEST} or newer",
            fix="take a newer release of the toolchain with the same sysroot, or zig",
        )
    return version


def _asked(gcc: Path, *words: str) -> str:
    done = run(command(gcc, *words, timeout_s=20))
    if not done.ok:
        raise ToolError(
            f"{gcc.name} does not start", where=str(gcc), why=done.text().strip()[-500:] or "it says nothing"
        )
    return done.stdout.decode("utf-8", "replace").strip()


def is_for(machine: str, arch: Architecture) -> bool:
    """``aarch64-none-linux-gnu`` is aarch64; armhf is Arm with hard floats."""
    processor, _, rest = machine.partition("-")
    if arch.name == "armhf":
        return processor.startswith("arm") and rest.endswith("hf")
    return processor == arch.gcc.partition("-")[0] and "linux" in rest


def _has_static_pie(given: GccByPath, root: tuple[str, ...]) -> bool:
    """Whether its libc can be in a program that is loaded anywhere: glibc since 2.26, if built so."""
    said = run(command(given.gcc, *root, "-print-file-name=rcrt1.o", timeout_s=20)).stdout.decode().strip()
    return Path(said).is_absolute()


def without_pie(own: Flags) -> Flags:
    link = tuple(re.sub(r"^-static-pie$", "-static", word) for word in own.link)
    return replace(own, link=link, compile=tuple(word for word in own.compile if word != "-fPIE"))


def cpu_flags(arch: Architecture, cpu: str | None) -> tuple[str, ...]:
    # gcc's -mcpu means "tune" on x86 and names other chips than clang's on RISC-V.
    if cpu is None or arch.name == "riscv64":
        return ()
    return (f"-march={cpu}",) if arch.name == "x86_64" else (f"-mcpu={cpu}",)
