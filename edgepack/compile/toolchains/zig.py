"""zig from the Python index: clang, musl and libc++ for every architecture in one pinned package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from edgepack.catalog.architectures import Architecture
from edgepack.catalog.paths import data
from edgepack.catalog.toolchains import LOCK, flags
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError
from edgepack.tools import cache, uv


def toolchain(
    arch: Architecture, cpu: str | None = None, progress: Callable[[str], None] = lambda _line: None
) -> Toolchain:
    """zig for static musl programs; made ready (downloaded, unpacked) on the first call.

    cpu: a processor as clang's ``-mcpu`` names it. Raises ToolError where the package cannot be had.
    """
    tools = environment(progress)
    zig = _program(tools)
    target = ("-target", arch.zig_musl)
    kept = cache.root() / "zig"
    return Toolchain(
        name="zig",
        version=_pinned_version(),
        arch=arch,
        cc=(str(zig), "cc", *target),
        cxx=(str(zig), "c++", *target),
        ar=(str(zig), "ar"),
        ranlib=(str(zig), "ranlib"),
        cmake=tools / "cmake",
        ninja=tools / "ninja",
        flags=flags("zig"),
        # zig names processors with underscores where clang has hyphens.
        cpu_flags=(f"-mcpu={cpu.replace('-', '_')}",) if cpu else (),
        env={"ZIG_GLOBAL_CACHE_DIR": str(kept), "ZIG_LOCAL_CACHE_DIR": str(kept)},
        prefix_maps={zig.parent / "lib": "/zig"},
    )


def environment(progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The folder of the locked toolchain's programs: ``cmake``, ``ninja``, and zig's package beside."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return uv.environment(data(LOCK), python, progress).parent


def _program(tools: Path) -> Path:
    found = sorted(tools.parent.glob("lib/python3*/site-packages/ziglang/zig"))
    if not found:
        raise ToolError(
            "the toolchain's environment has no zig",
            where=str(tools.parent),
            fix=f"delete {tools.parent} and run it again",
        )
    return found[0]


def _pinned_version() -> str:
    for line in data(LOCK).read_text().splitlines():
        if line.startswith("ziglang=="):
            return line.split("==")[1].split()[0]
    raise ToolError("the toolchain's lock pins no zig", where=LOCK)
