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
_LOOKS_UP = {
    "libnss_dns": "libnss_dns.so.2",
    "libnss_files": "libnss_files.so.2",
    "libresolv": "libresolv.so.2",
}
_PLAIN_NAMES_FROM = "2.34"


def glibc(arch: str, progress: Callable[[str], None], least: str = "") -> Path:
    """The folder to give to qemu's ``-L``: the oldest pinned that is at least ``least``; fetched once.

    Raises ToolError where it cannot be had.
    """
    row, package = _pinned(arch, least)
    return _taken(package, f"{arch}-{package.sha256[:16]}", lambda root: _wanted(row, root), progress)


def for_image(arch: str, progress: Callable[[str], None], least: str = "") -> tuple[Path, Package]:
    """What a container needs of a glibc, in a folder: the same, names of hosts and users, its licence.

    Raises ToolError where it cannot be had.
    """
    row, package = _pinned(arch, least)

    def wanted(root: Path) -> dict[str, Path]:
        copyright_ = "usr/share/doc/libc6/copyright"
        return {**_wanted(row, root, _LIBRARIES | _LOOKS_UP), copyright_: root / copyright_}

    return _taken(package, f"image-{arch}-{package.sha256[:16]}", wanted, progress), package


def _pinned(arch: str, least: str) -> tuple[Mapping[str, str], Package]:
    rows = [row for row in json.loads(PINS.read_text("utf-8"))["pins"] if row["arch"] == arch]
    rows = [row for row in rows if _ordered(row["glibc"]) >= _ordered(least)]
    if not rows:
        wanted = f"no glibc {least} or newer" if least else "no glibc"
        raise ToolError(f"{wanted} for {arch} to start programs with", why="none is pinned")
    row = min(rows, key=lambda row: _ordered(row["glibc"]))
    package = Package(row["package"], row["version"], row["path"], row["size"], row["sha256"], row["source"])
    return row, package


def _taken(
    package: Package,
    name: str,
    wanted: Callable[[Path], Mapping[str, Path]],
    progress: Callable[[str], None],
) -> Path:
    folder = cache.root() / "sysroots" / name
    with cache.locked(folder):
        if not folder.is_dir():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            debian_files.take(package, wanted(part), progress)
            part.rename(folder)
    return folder


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _wanted(row: Mapping[str, str], root: Path, libraries: Mapping[str, str] = _LIBRARIES) -> dict[str, Path]:
    place, version = f"lib/{row['triplet']}", row["glibc"]
    loader = root / row["loader"].removeprefix("/")
    if _ordered(version) < _ordered(_PLAIN_NAMES_FROM):
        wanted = {f"{place}/{name}-{version}.so": root / place / so for name, so in libraries.items()}
        return wanted | {f"{place}/ld-{version}.so": loader}
    return {f"{place}/{so}": root / place / so for so in libraries.values()} | {
        f"{place}/{loader.name}": loader
    }
