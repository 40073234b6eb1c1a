"""``edgepack enrol NODE``: the keys that a box believes: it takes only what one of them signed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.box.facts import Facts
    from edgepack.cli.screen import Screen
    from edgepack.ship.enrol import Enrolment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    from edgepack.cli.sign import KEY_HELP, add_key_arguments

    parser.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    parser.add_argument(
        "--key", metavar="FILE.pub", action="append", default=[], help="a public key to believe"
    )
    parser.add_argument(
        "--revoke",
        metavar="NAME",
        action="append",
        default=[],
        help="a key of the box not to believe any more",
    )
    parser.add_argument("--signer", metavar="KEY", help=f"a key that the box has: {KEY_HELP}")
    parser.add_argument("--new-helper", action="store_true", help="also exchange the program that checks")
    parser.add_argument("--end", action="store_true", help="take what is not signed again")
    add_key_arguments(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Change the box's keys, or show them."""
    from edgepack.cli import nodes
    from edgepack.cli.sign import signer
    from edgepack.cli.steps import StageScreen
    from edgepack.errors import UsageError
    from edgepack.ship import enrol
    from edgepack.tools import signers

    if args.end and (args.key or args.revoke):
        raise UsageError("--end takes all keys away: it goes with no --key and no --revoke")
    found = nodes.find(Path(args.folder).absolute(), args.node)
    change = enrol.Change(
        add=dict(signers.public(Path(file).expanduser()) for file in args.key),
        revoke=args.revoke,
        end=args.end,
        new_helper=args.new_helper,
        signer=signer(args.signer, args) if args.signer else None,
    )
    with found.blamed(), StageScreen(screen) as stages:
        if change.nothing:
            told = enrol.shown(found.endpoint)
        else:
            told = enrol.enrol(found.endpoint, change, lambda facts: _helper(facts, screen), stages.progress)
    screen.result(told.as_dict())
    _show(told, screen)
    return 0


def _helper(facts: Facts, screen: Screen) -> Path:
    from edgepack.catalog.native_build import HelperSpec
    from edgepack.compile.native import build_helper

    return build_helper(HelperSpec(facts.arch), lambda words: screen.note("prepare", words))


def _show(told: Enrolment, screen: Screen) -> None:
    if told.serial is None:
        screen.text(f"{told.node}: not enrolled; it takes bundles that are not signed")
        if not told.changed:
            screen.text(f"  edgepack enrol {told.node} --key FILE.pub has it take only what that key signed")
        return
    state = "enrolled" if told.changed else "is enrolled"
    screen.text(
        f"{told.node}: {state}, list of keys number {told.serial}; it takes only what one of them signed"
    )
    for key, name in told.keys.items():
        screen.text(f"  {name}  {key[:16]}…")
    for app, serial in told.serials.items():
        screen.text(f"  {app}: nothing older than number {serial} any more")
