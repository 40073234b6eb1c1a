"""``edgepack recipes``: the conversions, and whether each can run here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.catalog.recipes import Recipe
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    from edgepack.catalog import recipes

    known = recipes.load_all(Path(args.folder))
    screen.result(
        [
            {"id": r.id, "folder": str(r.folder), "state": _state(r), **r.about.model_dump(mode="json")}
            for r in known.values()
        ]
    )
    rows = [
        [
            *(r.id, r.about.from_, r.about.to, " ".join(p.name for p in r.about.precisions)),
            *(_state(r), r.about.tool),
        ]
        for r in known.values()
    ]
    screen.rows(rows, header=["RECIPE", "FROM", "TO", "PRECISIONS", "STATE HERE", "TOOL"])
    return 0


def _state(recipe: Recipe) -> str:
    from edgepack.tools import uv

    made = uv.location(recipe.lock, recipe.about.python)
    return "ready" if made.is_dir() else "installed on first use"
