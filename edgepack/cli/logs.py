"""``edgepack logs NODES``: the programs' own words, or the journal of what was done to the boxes."""

from __future__ import annotations

import argparse
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.errors import EdgepackError
    from edgepack.manifest.fleet import Fleet
    from edgepack.observe.logs import Wanted

AT_ONCE = 32  # boxes, where each comes to an end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    from edgepack.cli.fleet import add_selection

    add_selection(parser)
    parser.add_argument("-n", dest="lines", type=int, default=50, metavar="N", help="the last N lines (50)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new ones until Ctrl-C")
    parser.add_argument("--journal", action="store_true", help="deploys and rollbacks, not the program")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Show them. One name: as they are; several: each line after its node's name, 9 where one is silent."""
    from edgepack.cli import nodes
    from edgepack.errors import UsageError
    from edgepack.manifest import fleet
    from edgepack.manifest import project as manifest
    from edgepack.manifest.selection import is_one
    from edgepack.observe.logs import Wanted

    if args.lines < 0:
        raise UsageError("-n takes 0 or more")
    if args.follow and screen.json:
        raise UsageError("--follow and --json do not go together", why="one JSON object needs an end")
    folder = Path(args.folder).absolute()
    known = fleet.load(folder)
    names = nodes.meant(folder, args.nodes, args.exclude, known)
    app = manifest.load(folder).manifest.name
    wanted = Wanted("journal" if args.journal else "log", args.lines, args.follow)
    source = _Source(folder, known, app, wanted, screen)
    try:
        if len(args.nodes) == 1 and is_one(args.nodes[0]) and names:
            return _one(source, names[0], screen)
        return _followed(source, names, screen) if args.follow else _gathered(source, names, screen)
    except KeyboardInterrupt:
        if not args.follow:
            raise
    return 0


@dataclass(frozen=True)
class _Source:
    """A node's lines, crashes told with functions and lines of the source."""

    folder: Path
    known: Fleet
    app: str
    wanted: Wanted
    screen: Screen

    def lines(self, name: str) -> Iterator[str]:
        from edgepack.cli import nodes
        from edgepack.debug import symbols
        from edgepack.debug.crashes import Told
        from edgepack.observe.logs import logs

        told = Told(symbols.find, symbols.BRING)
        found = nodes.find(self.folder, name, self.known)
        with found.blamed():
            for said in logs(found.endpoint, self.app, self.wanted, self.screen.remark):
                yield from told.lines(said)


def _one(source: _Source, name: str, screen: Screen) -> int:
    shown = []
    for line in source.lines(name):
        screen.text(line)
        if screen.json:
            shown.append(line)
    screen.result(shown)
    return 0


def _gathered(source: _Source, names: Sequence[str], screen: Screen) -> int:
    """Node after node, asked at once."""
    from edgepack.errors import EdgepackError, Exit

    def asked(name: str) -> list[str] | EdgepackError:
        try:
            return list(source.lines(name))
        except EdgepackError as error:
            return error

    shown: list[dict[str, object]] = []
    silent = False
    width = max(map(len, names), default=0)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for name, said in zip(names, pool.map(asked, names), strict=True):
            if isinstance(said, EdgepackError):
                silent = True
                screen.remark(_why(name, said))
                shown.append({"node": name, "error": said.what})
                continue
            for line in said:
                screen.text(f"{name:{width}} | {line}")
            shown.append({"node": name, "lines": said})
    screen.result(shown)
    return Exit.UNREACHABLE if silent else Exit.OK


def _followed(source: _Source, names: Sequence[str], screen: Screen) -> int:
    """Each line as it comes, until Ctrl-C; one that falls silent is told, and is not the end of it."""
    from edgepack.errors import EdgepackError, Exit

    come: queue.SimpleQueue[tuple[str, str | EdgepackError | None]] = queue.SimpleQueue()

    def follow(name: str) -> None:
        try:
            for line in source.lines(name):
                come.put((name, line))
            come.put((name, None))
        except EdgepackError as error:
            come.put((name, error))

    for name in names:  # they end with this process, and their connections with them
        threading.Thread(target=follow, args=(name,), daemon=True).start()
    left, silent = len(names), False
    width = max(map(len, names), default=0)
    while left:
        name, said = come.get()
        if isinstance(said, str):
            screen.text(f"{name:{width}} | {said}")
            continue
        left -= 1
        if said is not None:
            silent = True
            screen.remark(_why(name, said))
    return Exit.UNREACHABLE if silent else Exit.OK


def _why(name: str, error: EdgepackError) -> str:
    return f"{name}: {error.what}{f' ({error.why})' if error.why else ''}"
