"""``edgepack fleet``: the boxes as fleet.yaml and what it includes make them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its verbs, and their flags."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="all nodes, or those that are meant, a line each")
    listed.set_defaults(run=_list)
    add_selection(listed)
    shown = verbs.add_parser("show", help="one node: each value, and where it stands")
    shown.set_defaults(run=_show)
    shown.add_argument("node", metavar="NODE")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """How nodes are named by every command that takes several."""
    parser.add_argument(
        "nodes",
        nargs="*",
        metavar="NODES",
        help="a name, a glob, or what must hold: 'site=berlin,target=rk3588', 'camera!=axis'; left out: all",
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="NODES", help="without these, named in the same way"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Do what the verb says."""
    code: int = args.run(args, screen)
    return code


def _list(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.manifest import fleet, selection

    known = fleet.load(Path(args.folder).absolute())
    facts = {name: selection.facts(name, node) for name, node in known.nodes.items()}
    chosen = selection.select(args.nodes, args.exclude, facts)
    screen.result([known.nodes[name].model_dump(exclude_defaults=True) | {"name": name} for name in chosen])
    rows = []
    for name in chosen:
        node = known.nodes[name]
        labels = " ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
        rows.append([name, node.target, node.address, node.site or "-", node.group or "-", node.runs, labels])
    header = ["NODE", "TARGET", "ADDRESS", "SITE", "GROUP", "RUNS", "LABELS"]
    screen.rows(rows, header if rows else [])
    if not rows:
        screen.text("no nodes: write them into fleet.yaml, or: edgepack sandbox up box-07 --target TARGET")
    return 0


def _show(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.manifest import fleet, inventory

    folder = Path(args.folder).absolute()
    known = fleet.load(folder)
    if args.node not in known.nodes:
        raise fleet.unknown(args.node, known.nodes)
    node = known.nodes[args.node]
    origins = inventory.find(fleet.documents(folder), args.node).origins()
    values: list[tuple[str, object]] = []
    for key, value in node.model_dump(mode="json").items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        values += [(f"{key}.{name}" if name else key, one) for name, one in inner]
    told = [
        {"key": key, "value": value, "from": origins.get(key, "edgepack's default")}
        for key, value in values
        if value is not None
    ]
    screen.result({"name": args.node, "values": told})
    screen.rows(
        [[str(one["key"]), _plain(one["value"]), str(one["from"])] for one in told], ["KEY", "VALUE", "FROM"]
    )
    return 0


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if one is not None)
    return str(value)
