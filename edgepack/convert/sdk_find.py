"""Where a vendor's toolkit lies on this host.

Asked in this order: `sdk:` of edgepack.yaml, the environment (``EDGEPACK_SDK_CANN``), `sdk:` of the user's
settings.yaml, PATH.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgepack.catalog import paths
from edgepack.catalog.recipes import Recipe
from edgepack.catalog.sdk import Sdk
from edgepack.errors import EdgepackError, ToolError

SETTINGS = "settings.yaml"
_PYTHONS = ("python3", "python")


@dataclass(frozen=True)
class Toolkit:
    """A toolkit that is here. programs: by the name a step calls them; said: where its folder was named."""

    folder: Path
    programs: Mapping[str, Path]
    said: str


def find(recipe: Recipe, keys: Mapping[str, str], project: Path | None = None) -> Toolkit:
    """The recipe's toolkit. keys: the manifest's `sdk:`; project: what its relative paths start from.

    Raises ToolError that says what is missing, where it comes from, and which key points to it.
    """
    sdk = recipe.about.sdk
    assert sdk is not None, recipe.id
    folder, said = _pointed(sdk, keys, project)
    if folder is not None and not folder.is_dir():
        raise _missing(recipe, sdk, f"{said} says {folder}, and that is not a folder")
    for mark in sdk.marks:
        if folder is None:
            raise _missing(recipe, sdk, f"{sdk.key} is not set")
        if not (folder / mark).exists():
            raise _missing(recipe, sdk, f"{said} says {folder}, and there is no {mark} in it")
    programs = {name: place for name in _names(recipe) if (place := _program(sdk, folder, name))}
    for name in always(recipe):
        if name not in programs:
            raise _missing(recipe, sdk, _why(sdk, folder, said, name))
    if folder is None:
        folder, said = _around(sdk, programs), "PATH"
    return Toolkit(folder, programs, said)


def lacks(recipe: Recipe, keys: Mapping[str, str] | None = None, project: Path | None = None) -> str:
    """What is missing, in a few words; "" where the toolkit is here."""
    sdk = recipe.about.sdk
    if sdk is None:
        return ""
    try:
        find(recipe, keys or {}, project)
    except EdgepackError:
        return f"{sdk.name} ({sdk.key})"
    return ""


def always(recipe: Recipe) -> list[str]:
    """The programs without which nothing can be converted: those of steps that have no condition."""
    return list(dict.fromkeys(s.program for s in recipe.about.steps if not s.when)) or _names(recipe)


def absent(recipe: Recipe, name: str) -> ToolError:
    """The error for one program that a condition asks for and that is not here."""
    sdk = recipe.about.sdk
    assert sdk is not None, recipe.id
    return _missing(recipe, sdk, f"{name} is neither below its folder nor on PATH")


def _names(recipe: Recipe) -> list[str]:
    return list(dict.fromkeys(step.program for step in recipe.about.steps))


def _pointed(sdk: Sdk, keys: Mapping[str, str], project: Path | None) -> tuple[Path | None, str]:
    """The folder that somebody named, and where."""
    if value := keys.get(sdk.name_in_key):
        return (project or Path()) / Path(value).expanduser(), f"{sdk.key} in edgepack.yaml"
    if value := os.environ.get(sdk.variable):
        return Path(value).expanduser().absolute(), sdk.variable
    if value := _settings().get(sdk.name_in_key):
        return paths.user_folder() / Path(value).expanduser(), f"{sdk.key} in {SETTINGS}"
    return None, ""


def _settings() -> Mapping[str, str]:
    """`sdk:` of the user's own settings; empty where there are none."""
    file = paths.user_folder() / SETTINGS
    if not file.is_file():
        return {}
    from edgepack import document

    read = document.read(file, str(file))
    found = read.data.get("sdk", {}) if isinstance(read.data, dict) else {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise read.wrong(read.problem("`sdk` must be lines of `name: folder`", ("sdk",)))
    return found


def _program(sdk: Sdk, folder: Path | None, name: str) -> Path | None:
    wanted = _PYTHONS if name == "python" else (name,)
    if folder is not None:
        for candidate in sdk.finds:
            place = folder / candidate
            if PurePosixPath(candidate).name in wanted and place.is_file():
                return place
    if name == "python" and not any(PurePosixPath(c).name in wanted for c in sdk.finds):
        return Path(sys.executable)  # a script of the recipe's own, which needs nothing of the toolkit
    if sdk.on_path:
        on_path = next((found for word in wanted if (found := shutil.which(word))), None)
        return Path(on_path) if on_path else None
    return None


def _around(sdk: Sdk, programs: Mapping[str, Path]) -> Path:
    """The toolkit's folder, from a program of it that was on PATH."""
    place = next(p for p in programs.values() if p != Path(sys.executable)).resolve()
    for candidate in sdk.finds:
        parts = PurePosixPath(candidate).parts
        if place.parts[-len(parts) :] == parts:
            return Path(*place.parts[: -len(parts)])
    return place.parent


def _why(sdk: Sdk, folder: Path | None, said: str, name: str) -> str:
    looked = [c for c in sdk.finds if PurePosixPath(c).name in (_PYTHONS if name == "python" else (name,))]
    if folder is None:
        return f"{sdk.key} is not set" + (f", and {name} is not on PATH" if sdk.on_path else "")
    return f"{said} says {folder}, and there is no {' or '.join(looked or [name])} in it"


def _missing(recipe: Recipe, sdk: Sdk, why: str) -> ToolError:
    versions = f" {sdk.versions}" if sdk.versions else ""
    return ToolError(
        f"{recipe.id} needs the {sdk.name}{versions}, which is not here",
        where=f"recipes/{recipe.id}",
        why=why,
        fix=way_to(sdk),
    )


def way_to(sdk: Sdk) -> str:
    """Where the toolkit comes from, and what points to its folder."""
    return (
        f"get it: {sdk.from_}; then point to its folder: `sdk: {{{sdk.name_in_key}: FOLDER}}` in "
        f"edgepack.yaml, or {sdk.variable}=FOLDER, or `sdk:` in {paths.user_folder() / SETTINGS}"
    )
