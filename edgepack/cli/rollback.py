"""``edgepack rollback NODE``: the release before, proven again, then switched to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    parser.add_argument("--to", metavar="RELEASE", help="a release kept on the box; the one before else")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Go back."""
    from edgepack.cli import nodes
    from edgepack.cli.steps import StageScreen
    from edgepack.manifest import project as manifest
    from edgepack.ship.rollback import rollback

    folder = Path(args.folder).absolute()
    found = nodes.find(folder, args.node)
    app = manifest.load(folder).manifest.name
    with found.blamed(), StageScreen(screen) as stages:
        report = rollback(found.endpoint, app, args.to, stages.progress)
    screen.result(report.as_dict())
    screen.text(f"{report.node}: {report.app} {report.version} answers again, release {report.release[:12]}")
    if report.proof_summary:
        screen.text(f"  proven on the box before the switch: {report.proof_summary}")
    if report.previous:
        screen.text(f"  edgepack rollback {report.node} goes back to {report.previous[:12]}")
    return 0
