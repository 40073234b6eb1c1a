"""This host's own device as a target's (`converts_on: here`): what is known of it, and its toolkit.

A recipe with `run: box` says what its results depend on (`sdk.facts`): the toolkit's version, the device, its
driver. They are part of a conversion's key, so that another device makes it anew.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.catalog.sdk import Fact
from edgepack.convert import sdk_find
from edgepack.convert.recipe import Request
from edgepack.convert.sdk_find import Toolkit
from edgepack.convert.sdk_words import Place, Words
from edgepack.errors import ToolError
from edgepack.manifest.project import Project
from edgepack.tools.runner import Command, run

UNTOLD = "-"
_ASK_S = 60


def told(recipes: Iterable[Recipe], project: Project) -> dict[str, dict[str, str]]:
    """Recipe id → its facts on this host; nothing is asked where no target is converted for here.

    A recipe whose toolkit is not here has none.
    """
    if all(options.converts_on == "box" for options in project.manifest.targets.values()):
        return {}
    found = {}
    for recipe in recipes:
        if recipe.about.run == "box" and not sdk_find.lacks(recipe, project.manifest.sdk, project.folder):
            toolkit = sdk_find.find(recipe, project.manifest.sdk, project.folder)
            found[recipe.id] = facts(recipe, toolkit)
    return found


def facts(recipe: Recipe, toolkit: Toolkit) -> dict[str, str]:
    """What a result depends on besides what goes in: a fact's name → what was told, `-` where nothing was."""
    sdk = recipe.about.sdk
    assert sdk is not None, recipe.id
    env = {**os.environ, **environment(recipe, toolkit)}
    return {fact.name: _ask(fact, toolkit, env) or UNTOLD for fact in sdk.facts}


def check(recipe: Recipe, known: Mapping[str, str]) -> None:
    """Raises ToolError where none of the facts that name the device was told."""
    sdk = recipe.about.sdk
    assert sdk is not None, recipe.id
    wanted = [fact for fact in sdk.facts if fact.device]
    if any(known.get(fact.name, UNTOLD) != UNTOLD for fact in wanted):
        return
    asked = ", ".join(" ".join([fact.program or fact.file, *fact.args]) for fact in wanted)
    raise ToolError(
        f"no device that runs {recipe.about.to} is on this host",
        where=f"recipes/{recipe.id}",
        why=f"none was told by: {asked}",
        fix="look at its driver; or leave `converts_on: here` out, and the box converts for itself",
    )


def given(recipe: Recipe, toolkit: Toolkit) -> dict[str, Any]:
    """What the recipe's ``run.py`` starts the toolkit with: its programs, and the variables they need."""
    programs = {name: str(place) for name, place in toolkit.programs.items()}
    return {"programs": programs, "env": environment(recipe, toolkit)}


def environment(recipe: Recipe, toolkit: Toolkit) -> dict[str, str]:
    """The variables that the toolkit's programs see besides the usual ones."""
    sdk = recipe.about.sdk
    assert sdk is not None, recipe.id
    user = {name: os.environ[name] for name in sdk.user_env if name in os.environ}
    place = Place(toolkit, Path("work"), user=user)
    said = Words(recipe, Request(Path("model"), "fp32", Path("out")), place)
    return {**user, **{name: said.text(template) for name, template in sdk.env.items()}}


def _ask(fact: Fact, toolkit: Toolkit, env: Mapping[str, str]) -> str:
    if fact.file:
        try:
            text = Path(fact.file).read_text(errors="replace").replace("\0", "\n")
        except OSError:
            return ""
    else:
        program = toolkit.programs.get(fact.program) or shutil.which(fact.program)
        if program is None:
            return ""
        done = run(Command((str(program), *fact.args), env=env, timeout_s=_ASK_S))
        if not done.ok:
            return ""
        text = done.text()
    return "; ".join(dict.fromkeys(found.group().strip() for found in re.finditer(fact.match, text)))
