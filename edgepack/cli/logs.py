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
    from edgepack.debug import symbols
    from edgepack.debug.crashes import Told
    from edgepack.errors import UsageError
    from edgepack.manifest import project as manifest
    from edgepack.observe.logs import Wanted, logs

    if args.lines < 0:
        raise UsageError("-n takes 0 or more")
    if args.follow and screen.json:
        raise UsageError("--follow and --json do not go together", why="one JSON object needs an end")
    folder = Path(args.folder).absolute()
    found = nodes.find(folder, args.node)
    app = manifest.load(folder).manifest.name
    shown = []
    told = Told(symbols.find, symbols.BRING)
    wanted = Wanted("journal" if args.journal else "log", args.lines, args.follow)
    try:
        with found.blamed():
            for said in logs(found.endpoint, app, wanted, screen.remark):
                for line in told.lines(said):
                    screen.text(line)
                    if screen.json:
                        shown.append(line)
    except KeyboardInterrupt:
        if not args.follow:
            raise
    screen.result(shown)
    return 0
