"""The bundles of a project that a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgepack.errors import InputError
from edgepack.manifest.project import Project


def built(project: Project, asked: Sequence[str], why: str = "") -> list[Path]:
    """The folders of the bundles that were asked for; of all that are built where none was.

    why: what a bundle is wanted for, told where there is none. Raises InputError.
    """
    name, known = project.manifest.name, list(project.manifest.targets)
    odd = [target for target in asked if target not in known]
    if odd:
        raise InputError(f"{odd[0]} is none of the project's targets", fix=f"they are: {', '.join(known)}")
    places = {target: project.folder / "dist" / f"{name}@{target}" for target in asked or known}
    lacking = [target for target, place in places.items() if not place.is_dir()]
    found = [place for place in places.values() if place.is_dir()]
    if not found or (asked and lacking):
        raise InputError(
            f"there is no bundle for {lacking[0]}",
            where="dist",
            why=why,
            fix=f"edgepack build {' '.join(asked)}".strip(),
        )
    return found
