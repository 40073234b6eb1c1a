"""``edgepack sandbox up|down|list``: a throwaway box on this machine, behind a real SSH server."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    up = actions.add_parser("up", help="make the box, or start it again")
    up.add_argument("node", metavar="NODE")
    up.add_argument("--target", metavar="TARGET", help="what it is; what fleet.yaml says else")
    up.add_argument(
        "--server",
        choices=["auto", "sshd", "builtin"],
        default="auto",
        help="the host's sshd, or the one from edgepack's environment; sshd where it works else",
    )
    down = actions.add_parser("down", help="stop it and remove everything of it")
    down.add_argument("node", metavar="NODE")
    actions.add_parser("list", help="those there are")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """One of the three."""
    return {"up": _up, "down": _down, "list": _list}[args.action](args, screen)


def _up(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.catalog import targets
    from edgepack.cli.screen import amount
    from edgepack.sandbox import box

    folder = Path(args.folder).absolute()
    target = targets.load(_target(args, folder), folder)
    name = f"sandbox {args.node}"
    screen.started(name, f"a {target.id} on 127.0.0.1")

    def progress(note: str, done: int, total: int) -> None:
        screen.note(name, f"{note} {amount(done)} of {amount(total)}" if total else note)

    state = box.up(folder, args.node, target.id, target.arch, progress, server=args.server)
    how = f"{state.arch} programs by qemu-user" if state.emulator else f"{state.arch} programs"
    server = "the host's sshd" if state.server == "sshd" else "edgepack's own SSH server"
    screen.done(name, f"127.0.0.1:{state.port}, {server}, runs {how}")
    screen.stop()
    screen.result(asdict(state))
    screen.text(f"{args.node} is up; edgepack sandbox down {args.node} removes it")
    return 0


def _target(args: argparse.Namespace, folder: Path) -> str:
    """What the command line or the fleet says; a real box is never covered up by a sandbox."""
    from edgepack.errors import UsageError
    from edgepack.manifest import fleet
    from edgepack.sandbox import box

    node = fleet.load(folder).nodes.get(args.node)
    if node is not None and node.address != fleet.SANDBOX:
        raise UsageError(
            f"{args.node} is a real box at {node.address}",
            where="fleet.yaml",
            fix="give the sandbox another name, or say `address: sandbox` there",
        )
    if node is not None and args.target in (None, node.target):
        return node.target
    if node is not None:
        raise UsageError(
            f"fleet.yaml says that {args.node} is a {node.target}, not a {args.target}",
            where="fleet.yaml",
            fix="leave --target out, or change it there",
        )
    if args.target is None and (known := box.find(folder, args.node)) is not None:
        return known.target
    if args.target is None:
        raise UsageError(
            f"which target is {args.node} to be?",
            why="it is not in fleet.yaml",
            fix=f"edgepack sandbox up {args.node} --target raspberry-pi-4",
        )
    return str(args.target)


def _down(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.sandbox import box

    gone = box.down(Path(args.folder).absolute(), args.node)
    screen.result({"node": args.node, "removed": gone})
    screen.text(f"{args.node} is gone" if gone else f"there is no sandbox {args.node}")
    return 0


def _list(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.sandbox import box

    folder = Path(args.folder).absolute()
    known = [(state, box.is_up(folder, state.node)) for state in box.list_all(folder)]
    screen.result([{**asdict(state), "up": up} for state, up in known])
    if not known:
        screen.text("no sandboxes; make one: edgepack sandbox up NODE --target TARGET")
    screen.rows(
        [[s.node, s.target, s.arch, f"127.0.0.1:{s.port}", "up" if up else "down"] for s, up in known],
        header=["NODE", "TARGET", "RUNS", "ADDRESS", "STATE"] if known else [],
    )
    return 0
