"""Whether a recipe can run on this host, and what it lacks."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgepack.catalog.recipes import Recipe
from edgepack.convert import sdk_find
from edgepack.manifest.project import Project
from edgepack.tools import uv


def missing(recipes: Iterable[Recipe], project: Project) -> dict[str, str]:
    """Recipe id → what it lacks here; those that lack nothing are left out."""
    found = {recipe.id: lacks(recipe, project.manifest.sdk, project.folder) for recipe in recipes}
    return {recipe_id: lack for recipe_id, lack in found.items() if lack}


def lacks(recipe: Recipe, keys: Mapping[str, str] | None = None, project: Path | None = None) -> str:
    """The first thing that a recipe needs and that is not on this host; "" where it can run.

    keys: the manifest's `sdk:`; project: its folder.
    """
    if recipe.about.run == "sdk":
        return sdk_find.lacks(recipe, keys, project)
    for need in recipe.about.needs:
        if shutil.which(need.program) is None:
            return f"{need.program} {need.version}".strip()
    return ""


def state(recipe: Recipe) -> str:
    """In a word or two, for a list."""
    if recipe.about.run == "box":
        return "runs on the box"
    lack = lacks(recipe)
    if lack:
        return f"needs {lack}"
    if recipe.about.run == "sdk":
        return "ready"
    made = uv.location(recipe.lock, recipe.about.python)
    size = f", {recipe.about.installed_mb} MB" if recipe.about.installed_mb else ""
    return "ready" if made.is_dir() else f"installed on first use{size}"
