"""Out of pinned Debian packages, from the archives of this host's own apt: single files, and sources."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from edgepack.errors import ToolError
from edgepack.tools import apt, cache, debian, sdist
from edgepack.tools.debian import Package

_NONE: frozenset[str] = frozenset()


def take(package: Package, wanted: Mapping[str, Path], progress: Callable[[str], None]) -> None:
    """Copy files of a package: names as ``usr/include/x.h`` → where to put them.

    Raises ToolError, with what was tried, where no archive gives the package with its digest, or a file is
    not in it.
    """
    missing, url = _NONE, ""

    def copy(deb: Path, address: str) -> None:
        nonlocal missing, url
        missing, url = frozenset(wanted) - debian.extract(deb, wanted), address

    _from_archives(package, copy, progress)
    if missing:
        raise ToolError(f"{package} holds no {min(missing)}", where=url)


def source(package: Package, progress: Callable[[str], None]) -> Path:
    """The folder in the archive of an upstream's sources (``*.orig.tar.gz``), unpacked once into the cache.

    Raises ToolError as ``take`` does, and where the archive is damaged or holds no one folder.
    """
    name = PurePosixPath(package.path).name
    kept = cache.root() / "downloads" / package.sha256 / name

    def fetch() -> Path:
        if not kept.is_file():
            _from_archives(package, lambda file, _url: _keep(file, kept), progress)
        return kept

    return sdist.unpacked(name, package.sha256, fetch)


def _keep(file: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{kept.name}.part")
    shutil.copyfile(file, part)
    part.replace(kept)


def _from_archives(
    package: Package, use: Callable[[Path, str], None], progress: Callable[[str], None]
) -> None:
    """Call ``use`` with the package, once, and where it came from. Raises ToolError where nobody has it."""
    archives, proxies = apt.archives(), apt.proxy()
    progress(f"fetching {package}")
    tried = []
    for url in debian.addresses(package, archives):
        try:
            with debian.fetched(package, url, proxies, lambda _text, _done, _size: None) as file:
                use(file, url)
                return
        except debian.NotHad as error:
            tried.append(f"{url}: {error}")
    named = "no Debian archive of this host has it" if tried else "this host's apt names no Debian archive"
    raise ToolError(
        f"cannot fetch the Debian package {package}",
        why=named,
        fix="set EDGEPACK_DEBIAN_MIRROR to the base address of a Debian archive, and run it again",
        detail="\n".join(tried),
    )
