"""From a toolchain's name in a plan to the toolchain itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edgepack.catalog.architectures import architecture
from edgepack.catalog.toolchains import by_path, elsewhere, flags
from edgepack.compile.toolchains import container, gcc, zig
from edgepack.compile.toolchains.elsewhere import Wanted
from edgepack.compile.toolchains.site import Site
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import InputError

_MAKERS = {"zig": zig.toolchain, "gcc": gcc.toolchain}


def toolchain(
    name: str,
    arch: str,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Toolchain:
    """The named toolchain of this host for an architecture, made ready where it can be: ``zig``, ``gcc``,
    ``gcc:PATH``.

    glibc: the version that is linked to; empty for static programs. Raises InputError for an unknown name
    or architecture, ToolError where it is not to be had.
    """
    flags(name, glibc)  # refuses an unknown name
    vendor = by_path(name)
    if vendor:
        return gcc.vendors(vendor, architecture(arch), cpu, progress, glibc)
    if name not in _MAKERS:
        raise InputError(f"the toolchain {name} is not on this host")
    return _MAKERS[name](architecture(arch), cpu, progress, glibc)


@contextlib.contextmanager
def opened(
    name: str,
    arch: str,
    site: Site,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Iterator[Toolchain]:
    """The same, and those in a container or on a node, ready for a first link and while it is open.

    site: what is compiled. Raises as ``toolchain`` does, and CompileError.
    """
    word = elsewhere(name)
    if word is None:
        tools = toolchain(name, arch, cpu, progress, glibc)
        prepare(tools, progress)
        yield tools
        return
    flags(name, glibc)
    zig.environment(progress)  # CMake and Ninja
    progress(f"opening {word.asked}")
    wanted = Wanted(word, architecture(arch), cpu, glibc)
    if word.kind == "container":
        reached = container.opened(wanted, site)
    else:
        from edgepack.compile.toolchains import node

        reached = node.opened(wanted, site, progress)
    with reached as tools:
        yield tools


def check(name: str, arch: str, project: Path) -> None:
    """Raises what ``opened`` does of one that is not there, as far as shows without reaching it."""
    word, vendor = elsewhere(name), by_path(name)
    if word and word.kind == "container":
        container.find(word.name)
    elif word:
        from edgepack.compile.toolchains import node

        node.endpoint(word.name, project)
    elif vendor:
        gcc.check_vendors(vendor, architecture(arch))
    elif name == "gcc":
        gcc.program(architecture(arch))


def prepare(tool: Toolchain, progress: Callable[[str], None]) -> None:
    """What a toolchain needs once before its first link. Raises CompileError where that fails."""
    if tool.name == "zig":
        zig.prepare(tool, progress)
