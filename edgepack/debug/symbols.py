"""Symbols by build-id: found, brought from another machine, handed to one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from edgepack.debug.build_id import MOST, image_of
from edgepack.debug.errors import SymbolsError
from edgepack.store import Store
from edgepack.tools import cache, debug_files

BRING = (
    "where it was built: edgepack debug --symbols export FOLDER; here: edgepack debug --symbols import FOLDER"
)


@dataclass(frozen=True)
class Taken:
    """What an import or an export came to: build-ids."""

    new: tuple[str, ...]
    there: tuple[str, ...]  # already


def find(build_id: str) -> Path | None:
    """The debug file of that build-id; also of a build from before they were kept."""
    there = debug_files.place(build_id)
    if there.is_file():
        return there
    store = Store(cache.root() / "store")
    for key in sorted(store.keys()):
        result = store.get(key)
        if result is not None and result.report.get("build_id") == build_id and "debug" in result.outputs:
            return debug_files.keep(build_id, store.blob(result.outputs["debug"].sha256))
    return None


def needed(build_id: str, what: str, where: str) -> Path:
    """The same. Raises SymbolsError with the build-id where it is not here."""
    if not build_id:
        raise SymbolsError(
            f"{what} bears no build-id, so its symbols cannot be found",
            where=where,
            why="something removed it, or it was not built by edgepack",
        )
    found = find(build_id)
    if found is None:
        raise SymbolsError(
            f"the symbols of {what} are not here: build-id {build_id}",
            where=where,
            why="it was built on another machine, or edgepack's cache was emptied since",
            fix=BRING,
        )
    return found


def export(to: Path, build_id: str | None = None) -> Taken:
    """Copy what is here, or one, below a folder, in the same layout: a share, a web server, a USB stick.

    Raises SymbolsError where that one is not here.
    """
    known = debug_files.known()
    if build_id is not None:
        known = {build_id: needed(build_id, "that program", str(debug_files.folder()))}
    new, there = [], []
    for name, path in known.items():
        place = debug_files.place(name, to)
        if place.is_file() and place.stat().st_size == path.stat().st_size:
            there.append(name)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.part")
        shutil.copyfile(path, beside)
        beside.replace(place)
        new.append(name)
    return Taken(tuple(new), tuple(there))


def take_in(given: Path) -> Taken:
    """Keep a debug file, or all that are below a folder. Raises SymbolsError where there is none."""
    files = sorted(p for p in given.rglob("*") if p.is_file()) if given.is_dir() else [given]
    new: list[str] = []
    there: list[str] = []
    for path in files:
        build_id = _build_id(path)
        if build_id:
            (there if debug_files.place(build_id).is_file() else new).append(build_id)
            debug_files.keep(build_id, path)
    if not new and not there:
        raise SymbolsError(
            "there is no debug file with a build-id in it",
            where=str(given),
            why="" if given.exists() else "there is no such file or folder",
            fix="give a .debug file, or a folder that `edgepack debug --symbols export` wrote",
        )
    return Taken(tuple(new), tuple(there))


def _build_id(path: Path) -> str:
    """Of a file with symbols; empty for whatever else it is. What it holds decides, not its name."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as content:
            image = image_of(content.read(MOST))
            if image is None or not image.build_id:
                return ""
            whole = ELFFile(content).get_section_by_name(".symtab") is not None
    except (OSError, ELFError, ValueError):
        return ""
    return image.build_id if whole else ""
