"""``edgepack schema``: JSON Schema for editors."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "kind", nargs="?", default="project", choices=["project", "fleet", "target", "recipe"]
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Print the schema of one kind of file."""
    from pydantic import BaseModel

    from edgepack.catalog.recipes import RecipeFile
    from edgepack.catalog.targets import TargetFile
    from edgepack.manifest.fleet import FleetFile
    from edgepack.manifest.project import Manifest

    models: dict[str, type[BaseModel]] = {
        "project": Manifest,
        "fleet": FleetFile,
        "target": TargetFile,
        "recipe": RecipeFile,
    }
    screen.raw(json.dumps(models[args.kind].model_json_schema(), indent=2) + "\n")
    return 0
