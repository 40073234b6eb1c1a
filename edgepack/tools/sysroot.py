"""A glibc of another architecture, so that an emulator can start programs that are linked to one.

Debian 11's, by the pinned package: the oldest libc that the shipped targets name (targets/aarch64.yaml), so
that what runs with it runs with every later one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools import cache, debian_files
from edgepack.tools.debian import Package

PINS = Path(__file__).with_name("sysroot.json")
GLIBC = "2.31"

# Files of the package that have the version in their name → what programs ask for.
_LIBRARIES = {
    "libc": "libc.so.6",
    "libdl": "libdl.so.2",
    "libm": "libm.so.6",
    "libpthread": "libpthread.so.0",
    "librt": "librt.so.1",
}


def glibc(arch: str, progress: Callable[[str], None]) -> Path:
    """The folder to give to qemu's ``-L``; fetched once. Raises ToolError where it cannot be had."""
    row = json.loads(PINS.read_text("utf-8"))["pins"].get(arch)
    if row is None:
        raise ToolError(f"no glibc for {arch} to start programs with", why="none is pinned")
    package = Package(row["package"], row["version"], row["path"], row["size"], row["sha256"], row["source"])
    folder = cache.root() / "sysroots" / f"{arch}-{package.sha256[:16]}"
    with cache.locked(folder):
        if not folder.is_dir():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            debian_files.take(package, _wanted(row, part), progress)
            part.rename(folder)
    return folder


def _wanted(row: Mapping[str, str], root: Path) -> dict[str, Path]:
    place = f"lib/{row['triplet']}"
    wanted = {f"{place}/{name}-{GLIBC}.so": root / place / soname for name, soname in _LIBRARIES.items()}
    return wanted | {f"{place}/ld-{GLIBC}.so": root / row["loader"].removeprefix("/")}
