"""A glibc of another architecture, so that an emulator can start programs that are linked to one.

Debian 11's, by the pinned package: the oldest libc that the shipped targets name (targets/aarch64.yaml), so
that what runs with it runs with every later one. A runtime that asks for a newer one gets Debian 12's.
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

# As programs ask for them; up to glibc 2.33 the package has them with the version in their name.
_LIBRARIES = {
    "libc": "libc.so.6",
    "libdl": "libdl.so.2",
    "libm": "libm.so.6",
    "libpthread": "libpthread.so.0",
    "librt": "librt.so.1",
}
_PLAIN_NAMES_FROM = "2.34"


def glibc(arch: str, progress: Callable[[str], None], least: str = "") -> Path:
    """The folder to give to qemu's ``-L``: the oldest pinned that is at least ``least``; fetched once.

    Raises ToolError where it cannot be had.
    """
    rows = [row for row in json.loads(PINS.read_text("utf-8"))["pins"] if row["arch"] == arch]
    rows = [row for row in rows if _ordered(row["glibc"]) >= _ordered(least)]
    if not rows:
        wanted = f"no glibc {least} or newer" if least else "no glibc"
        raise ToolError(f"{wanted} for {arch} to start programs with", why="none is pinned")
    row = min(rows, key=lambda row: _ordered(row["glibc"]))
    package = Package(row["package"], row["version"], row["path"], row["size"], row["sha256"], row["source"])
    folder = cache.root() / "sysroots" / f"{arch}-{package.sha256[:16]}"
    with cache.locked(folder):
        if not folder.is_dir():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            debian_files.take(package, _wanted(row, part), progress)
            part.rename(folder)
    return folder


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _wanted(row: Mapping[str, str], root: Path) -> dict[str, Path]:
    place, version = f"lib/{row['triplet']}", row["glibc"]
    loader = root / row["loader"].removeprefix("/")
    if _ordered(version) < _ordered(_PLAIN_NAMES_FROM):
        wanted = {f"{place}/{name}-{version}.so": root / place / so for name, so in _LIBRARIES.items()}
        return wanted | {f"{place}/ld-{version}.so": loader}
    return {f"{place}/{so}": root / place / so for so in _LIBRARIES.values()} | {
        f"{place}/{loader.name}": loader
    }
