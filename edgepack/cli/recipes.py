"""``edgepack recipes``: the conversions, and whether each can run here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    from edgepack.catalog import recipes
    from edgepack.convert.state import state

    known = recipes.load_all(Path(args.folder))
    screen.result(
        [
            {"id": r.id, "folder": str(r.folder), "state": state(r), **r.about.model_dump(mode="json")}
            for r in known.values()
        ]
    )
    rows = [
        [
            *(r.id, r.about.from_, r.about.to, " ".join(dict.fromkeys(p.name for p in r.about.precisions))),
            *(state(r), r.about.tool),
        ]
        for r in known.values()
    ]
    screen.rows(rows, header=["RECIPE", "FROM", "TO", "PRECISIONS", "STATE HERE", "TOOL"])
    return 0
