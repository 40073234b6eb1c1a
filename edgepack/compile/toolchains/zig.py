"""zig from the Python index: clang, musl and libc++ for every architecture in one pinned package."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgepack.catalog.architectures import Architecture
from edgepack.catalog.paths import data
from edgepack.catalog.toolchains import LOCK, flags
from edgepack.compile.errors import CompileError
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError
from edgepack.tools import cache, uv
from edgepack.tools.runner import command, run


def toolchain(
    arch: Architecture,
    cpu: str | None = None,
    progress: Callable[[str], None] = lambda _line: None,
    glibc: str = "",
) -> Toolchain:
    """zig, made ready (downloaded, unpacked) on the first call: for static musl programs.

    cpu: a processor as clang's ``-mcpu`` names it. glibc: a version, like ``2.17``, to link to instead of
    musl. Raises ToolError where the package cannot be had.
    """
    tools = environment(progress)
    zig = _program(tools)
    target = ("-target", f"{arch.zig_gnu}.{glibc}" if glibc else arch.zig_musl)
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
        flags=flags("zig", glibc),
        # zig names processors with underscores where clang has hyphens.
        cpu_flags=(f"-mcpu={cpu.replace('-', '_')}",) if cpu else (),
        env={"ZIG_GLOBAL_CACHE_DIR": str(kept), "ZIG_LOCAL_CACHE_DIR": str(kept)},
        prefix_maps={zig.parent / "lib": "/zig"},
    )


def environment(progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The folder of the locked toolchain's programs: ``cmake``, ``ninja``, and zig's package beside."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return uv.environment(data(LOCK), python, progress).parent


def prepare(tool: Toolchain, progress: Callable[[str], None]) -> None:
    """Have zig make its C and C++ libraries for the architecture now, where the user is told so.

    Two CPU-minutes, once per architecture and zig; whatever is linked first would do it otherwise.
    Raises CompileError where it cannot.
    """
    kept = Path(tool.env["ZIG_GLOBAL_CACHE_DIR"])
    words = (*tool.cxx, *tool.flags.release, *tool.flags.link)
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    marker = kept / "prepared" / f"{tool.arch.name}-{digest}"
    if marker.is_file():
        return
    with cache.locked(marker), tempfile.TemporaryDirectory(prefix="edgepack-zig-") as temporary:
        if marker.is_file():
            return
        progress(f"zig's C and C++ libraries for {tool.cxx[-1]}: once, two minutes of CPU time")
        source = Path(temporary) / "empty.cpp"
        # std::string, so that libc++ is linked and not only named.
        source.write_text(
            "#include <string>\nint main(int n, char**) { return std::string(n, 'a').size(); }\n"
        )
        # From /, because the debug information of these libraries names the folder they were made in.
        made = run(command(*words, source, "-o", Path(temporary) / "empty", cwd=Path("/"), env=tool.env))
        if not made.ok:
            raise CompileError(
                f"zig cannot make its C and C++ libraries for {tool.arch.name}",
                where=str(kept),
                fix=f"check the disk's free space; delete {kept} and run it again",
                detail=made.text().strip()[-2000:],
            )
        marker.write_text(tool.version + "\n")


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
