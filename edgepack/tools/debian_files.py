"""Single files out of pinned Debian packages, from the archives of this host's own apt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools import apt, debian
from edgepack.tools.debian import Package


def take(package: Package, wanted: Mapping[str, Path], progress: Callable[[str], None]) -> None:
    """Copy files of a package: names as ``usr/include/x.h`` → where to put them.

    Raises ToolError, with what was tried, where no archive gives the package with its digest, or a file is
    not in it.
    """
    archives, proxies = apt.archives(), apt.proxy()
    progress(f"fetching {package}")
    tried = []
    for url in debian.addresses(package, archives):
        try:
            with debian.fetched(package, url, proxies, lambda _text, _done, _size: None) as deb:
                found = debian.extract(deb, wanted)
        except debian.NotHad as error:
            tried.append(f"{url}: {error}")
            continue
        missing = sorted(set(wanted) - found)
        if missing:
            raise ToolError(f"{package} holds no {missing[0]}", where=url)
        return
    named = "no Debian archive of this host has it" if tried else "this host's apt names no Debian archive"
    raise ToolError(
        f"cannot fetch the Debian package {package}",
        why=named,
        fix="set EDGEPACK_DEBIAN_MIRROR to the base address of a Debian archive, and run it again",
        detail="\n".join(tried),
    )
