"""``edgepack completion SHELL``: a script for the shell, that asks for nodes, targets and recipes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgepack.cli.screen import Screen

SHELLS = ("bash", "zsh", "fish", "tcsh")
NAMES = ("nodes", "targets", "recipes")
_TOLD = "edgepack completion %s 2>/dev/null"

_PREAMBLE = {
    "bash": "".join(f'_edgepack_{n}() {{ compgen -W "$({_TOLD % n})" -- "$1"; }}\n' for n in NAMES),
    "zsh": "".join(f'_edgepack_{n}() {{ compadd -- ${{(f)"$({_TOLD % n})"}} }}\n' for n in NAMES),
}

# An argument's name in the program → what of NAMES it is.
_ASKED = {
    "node": "nodes",
    "nodes": "nodes",
    "target": "targets",
    "targets": "targets",
    "ids": "recipes",
}


class _Shells(tuple[str, ...]):
    """The shells, for whoever looks; the names that a script asks for are taken too."""

    def __contains__(self, word: object) -> bool:
        return word in NAMES or super().__contains__(word)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("shell", choices=_Shells(SHELLS), help="whose script")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Print the script: ``source <(edgepack completion bash)``."""
    if args.shell in NAMES:
        for name in _names(args.shell, Path(args.folder).absolute()):
            screen.text(name)
        return 0
    import shtab

    from edgepack.cli.main import parser

    whole = parser(["--all"])
    _ask_for_names(whole)
    screen.raw(shtab.complete(whole, shell=args.shell, preamble=_PREAMBLE))  # type: ignore[arg-type]
    return 0


def _ask_for_names(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which arguments are nodes, targets, recipes, folders and files."""
    import shtab

    files = {"FOLDER": shtab.DIRECTORY, "IMAGE": shtab.FILE}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _ask_for_names(command)
        elif action.metavar in files:
            action.complete = files[str(action.metavar)]  # type: ignore[attr-defined]
        elif action.dest in _ASKED:
            action.complete = _asking(_ASKED[action.dest])  # type: ignore[attr-defined]


def _asking(names: str) -> dict[str, str]:
    """By shell: a function of the preamble, or the command itself."""
    function, told = f"_edgepack_{names}", _TOLD % names
    # csh knows no way to be rid of stderr alone.
    return {"bash": function, "zsh": function, "fish": f"({told})", "tcsh": f"`edgepack completion {names}`"}


def _names(which: str, folder: Path) -> Iterable[str]:
    if which == "nodes":
        from edgepack.cli import nodes

        return nodes.meant(folder, (), ())
    if which == "targets":
        from edgepack.catalog import targets

        return targets.find(folder)
    from edgepack.catalog import recipes

    return ("check", *recipes.load_all(folder))
