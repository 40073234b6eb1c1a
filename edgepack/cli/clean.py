"""``edgepack clean``: what a build left behind, so that the next one starts anew."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen

# Not the sandboxes, which are boxes in use, and not edgepack.lock, which the user keeps in git.
_KEPT = {"sandbox", "build.lock"}
# By name, so that a cache put at a folder with other things in it loses only what is edgepack's.
_CACHE = (
    "building",
    "downloads",
    "envs",
    "helpers",
    "libraries",
    "logs",
    "parcels",
    "qemu",
    "runtimes",
    "shipped",
    "sources",
    "store",
    "zig",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("--cache", action="store_true", help="also what projects share: minutes of compiling")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and keep it")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Remove, and say what and how much."""
    from edgepack.cli.screen import amount
    from edgepack.manifest import project as manifest
    from edgepack.pipeline import only_build

    folder = Path(args.folder).absolute()
    manifest.load(folder)  # never in a folder that is no project
    with only_build(folder):
        gone = [(place, _size(place)) for place in _places(folder, cache=args.cache) if place.exists()]
        for place, _ in gone:
            if not args.dry_run:
                _remove(place)
    screen.result({"removed": [{"path": str(p), "bytes": size} for p, size in gone], "dry_run": args.dry_run})
    verb = "would remove" if args.dry_run else "removed"
    places = "1 place" if len(gone) == 1 else f"{len(gone)} places"
    total = amount(sum(size for _, size in gone))
    screen.text(f"{verb} {total} in {places}" if gone else "there is nothing to remove")
    for place, size in gone:
        screen.text(f"  {amount(size):>10}  {place}")
    return 0


def _places(folder: Path, *, cache: bool) -> list[Path]:
    from edgepack.tools import cache as shared

    state = folder / ".edgepack"
    own = [p for p in sorted(state.iterdir()) if p.name not in _KEPT]
    return [folder / "dist", *own, *(shared.root() / name for name in _CACHE if cache)]


def _size(place: Path) -> int:
    if place.is_file():
        return place.stat().st_size
    return sum(p.lstat().st_size for p in place.rglob("*") if not p.is_dir())


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()
