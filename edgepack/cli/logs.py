"""``edgepack logs NODE``: the program's own words, or the journal of what was done to the box."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    parser.add_argument("-n", dest="lines", type=int, default=50, metavar="N", help="the last N lines (50)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new ones until Ctrl-C")
    parser.add_argument("--journal", action="store_true", help="deploys and rollbacks, not the program")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show them."""
    from edgepack.cli import nodes
    from edgepack.manifest import project as manifest
    from edgepack.observe.logs import logs

    folder = Path(args.folder).absolute()
    found = nodes.find(folder, args.node)
    app = manifest.load(folder).manifest.name
    shown = []
    with found.blamed():
        which = logs(found.endpoint, app, "journal" if args.journal else "log", args.lines, args.follow)
        for line in which:
            screen.text(line)
            shown.append(line)
            if screen.json and args.follow:
                shown.clear()
    screen.result(shown)
    return 0
