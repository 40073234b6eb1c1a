"""From a toolchain's name in a plan to the toolchain itself."""

from __future__ import annotations

from collections.abc import Callable

from edgepack.catalog.architectures import architecture
from edgepack.catalog.toolchains import by_path, flags
from edgepack.compile.toolchains import gcc, zig
from edgepack.compile.toolchains.toolchain import Toolchain

_MAKERS = {"zig": zig.toolchain, "gcc": gcc.toolchain}


def toolchain(
    name: str,
    arch: str,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Toolchain:
    """The named toolchain for an architecture, made ready where it can be: ``zig``, ``gcc``, ``gcc:PATH``.

    glibc: the version that is linked to; empty for static programs. Raises InputError for an unknown name
    or architecture, ToolError where it is not to be had.
    """
    flags(name, glibc)  # refuses an unknown name
    vendor = by_path(name)
    if vendor:
        return gcc.vendors(vendor, architecture(arch), cpu, progress, glibc)
    return _MAKERS[name](architecture(arch), cpu, progress, glibc)


def prepare(tool: Toolchain, progress: Callable[[str], None]) -> None:
    """What a toolchain needs once before its first link. Raises CompileError where that fails."""
    if tool.name == "zig":
        zig.prepare(tool, progress)
