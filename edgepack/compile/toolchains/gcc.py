"""Debian's gcc: the host's own for its architecture, and the packaged cross compilers."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable

from edgepack.catalog.architectures import Architecture
from edgepack.catalog.toolchains import flags, gcc_program
from edgepack.compile.toolchains import zig
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError
from edgepack.tools.runner import command, run


def toolchain(
    arch: Architecture,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Toolchain:
    """gcc for static glibc programs. Raises ToolError, with the apt line, where it is not installed.

    CMake and Ninja come from the locked environment, as with zig.
    """
    cxx = shutil.which(gcc_program(arch.name))
    if cxx is None:
        package = "g++" if arch.runs(platform.machine()) else f"g++-{arch.gcc.replace('_', '-')}"
        raise ToolError(
            f"no {gcc_program(arch.name)} for {arch.name}",
            why="Debian's compiler for it is not installed",
            fix=f"sudo apt-get install {package}, or leave out 'toolchain: gcc' to compile with zig",
        )
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
        cpu_flags=_cpu_flags(arch, cpu),
    )


def _cpu_flags(arch: Architecture, cpu: str | None) -> tuple[str, ...]:
    # gcc's -mcpu means "tune" on x86 and names other chips than clang's on RISC-V.
    if cpu is None or arch.name == "riscv64":
        return ()
    return (f"-march={cpu}",) if arch.name == "x86_64" else (f"-mcpu={cpu}",)
