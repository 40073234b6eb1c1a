"""What was shipped from this host, by content: the next release is made from it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgepack.bundle import Bundle, BundleFile, listing
from edgepack.tools import cache

LEAST = 4 << 10  # bytes: what is smaller is sent as it is
MOST = 4 << 30  # bytes of all that is kept in one folder; what was not asked for the longest goes first


def content(sha256: str) -> Path | None:
    """The file with that content, where it is kept."""
    place = _folder() / sha256
    if not place.is_file():
        return None
    os.utime(place)
    return place


def keep(bundle: Bundle, file: BundleFile) -> None:
    """Keep a file of a bundle. Raises OSError."""
    place = _folder() / file.sha256
    if file.size < LEAST or place.is_file():
        return
    with cache.locked(place.parent / "keep"):
        part = place.with_name(f".{file.sha256}.part")
        with bundle.open(file) as source, part.open("wb") as to:
            shutil.copyfileobj(source, to)
        part.rename(place)
        prune(place.parent)


def keep_list(bundle: Bundle) -> None:
    """Keep which files a release has, by which a stick is made for a box that has it. Raises OSError."""
    place = _lists(bundle.name) / bundle.digest.removeprefix("sha256:")
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}")
    part.write_bytes(listing(bundle.files))
    part.rename(place)


def releases(app: str) -> list[str]:
    """Releases of an app that were shipped from this host, 64 hexadecimal digits each, the newest first."""
    folder = _lists(app)
    found = [place for place in folder.iterdir() if len(place.name) == 64] if folder.is_dir() else []
    return [place.name for place in sorted(found, key=lambda place: -place.stat().st_mtime)]


def files_of(app: str, release: str) -> dict[str, str]:
    """What such a release is made of: path → sha256."""
    lines = (_lists(app) / release).read_text().splitlines()
    return {path: sha for sha, _, path in (line.split(" ", 2) for line in lines)}


def _lists(app: str) -> Path:
    return cache.root() / "shipped-releases" / app


def prune(folder: Path, most: int = MOST) -> None:
    """Away with the oldest files of a folder until it holds at most ``most`` bytes."""
    found = [(about.stat(), Path(about.path)) for about in os.scandir(folder) if about.is_file()]
    total = sum(about.st_size for about, _ in found)
    for about, place in sorted(found, key=lambda each: each[0].st_mtime):
        if total <= most:
            return
        place.unlink(missing_ok=True)
        total -= about.st_size


def _folder() -> Path:
    return cache.root() / "shipped"
