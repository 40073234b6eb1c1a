"""``edgepack completion SHELL``: a script for the shell, that asks for nodes and targets as one types."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


_PREAMBLE = {
    "bash": """
_edgepack_nodes() { compgen -W "$(edgepack completion nodes 2>/dev/null)" -- "$1"; }
_edgepack_targets() { compgen -W "$(edgepack completion targets 2>/dev/null)" -- "$1"; }
""",
    "zsh": """
_edgepack_nodes() { compadd -- ${(f)"$(edgepack completion nodes 2>/dev/null)"} }
_edgepack_targets() { compadd -- ${(f)"$(edgepack completion targets 2>/dev/null)"} }
""",
}


_ASKED = {"NODE": "_edgepack_nodes", "TARGET": "_edgepack_targets", "ID": "_edgepack_targets"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "shell",
        choices=["bash", "zsh", "tcsh", "nodes", "targets"],
        help="the script for a shell; or the names that it asks for, in this folder",
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Print the script: ``source <(edgepack completion bash)``."""
    if args.shell == "nodes":
        return _nodes(Path(args.folder), screen)
    if args.shell == "targets":
        return _targets(Path(args.folder), screen)
    import shtab

    from edgepack.cli.main import parser

    whole = parser(["--all"])
    _ask_for_names(whole)
    screen.raw(shtab.complete(whole, shell=args.shell, preamble=_PREAMBLE))  # type: ignore[arg-type]
    return 0


def _ask_for_names(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which arguments are nodes and which are targets, by their metavar."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _ask_for_names(command)
        elif action.metavar in _ASKED:
            function = _ASKED[str(action.metavar)]
            action.complete = {"bash": function, "zsh": function}  # type: ignore[attr-defined]


def _nodes(folder: Path, screen: Screen) -> int:
    from edgepack.cli import nodes

    for name in nodes.names(folder.absolute()):
        screen.text(name)
    return 0


def _targets(folder: Path, screen: Screen) -> int:
    from edgepack.catalog import targets

    for target_id in targets.find(folder.absolute()):
        screen.text(target_id)
    return 0
