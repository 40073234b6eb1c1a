"""Folders in ``dist/`` that are handed over as files: a model alone, an SDK. Not bundles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

from edgepack.manifest.project import Project
from edgepack.store import digest_file, digest_of

Kind = Literal["model", "sdk"]


def folder(project: Project, target: str, kind: Kind) -> Path:
    """Where it lies: ``dist/<name>@<target>.<kind>``."""
    return project.folder / "dist" / f"{project.manifest.name}@{target}.{kind}"


def begun(project: Project, target: str, kind: Kind) -> Path:
    """An empty folder beside that place; what was there stays until ``finish``."""
    dest = folder(project, target, kind)
    beside = dest.with_name(f".{dest.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    return beside


def finish(project: Project, target: str, kind: Kind, key: str) -> Path:
    """Put what was begun in its place, and remember which step left it."""
    dest = folder(project, target, kind)
    shutil.rmtree(dest, ignore_errors=True)
    dest.with_name(f".{dest.name}.new").rename(dest)
    note = _note_file(project, target, kind)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"key": key, "files": _digests(dest)}))
    return dest


def handed_over(project: Project) -> frozenset[str]:
    """Keys of the steps whose files still lie in ``dist/`` as they left them."""
    kinds: tuple[Kind, ...] = ("model", "sdk")
    kept = set()
    for target, kind in ((target, kind) for target in project.manifest.targets for kind in kinds):
        try:
            note = json.loads(_note_file(project, target, kind).read_bytes())
            if _digests(folder(project, target, kind)) == note["files"]:
                kept.add(str(note["key"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return frozenset(kept)


def digest(place: Path) -> str:
    """One digest for all files of a folder."""
    return f"sha256:{digest_of(_digests(place))}"


def size(place: Path) -> int:
    """Bytes of all files of a folder; links to them count nothing."""
    return sum(p.stat().st_size for p in place.rglob("*") if p.is_file() and not p.is_symlink())


def _digests(place: Path) -> dict[str, str]:
    files = sorted(p for p in place.rglob("*") if p.is_file() and not p.is_symlink())
    return {p.relative_to(place).as_posix(): digest_file(p) for p in files}


def _note_file(project: Project, target: str, kind: Kind) -> Path:
    return project.folder / ".edgepack" / "packaged" / f"{target}.{kind}.json"
