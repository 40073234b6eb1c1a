"""``edgepack completion SHELL``: a script for the shell; names of nodes and targets are asked for live."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Print the script: ``source <(edgepack completion bash)``."""
    import shtab

    from edgepack.cli.main import parser

    screen.raw(shtab.complete(parser(["--all"]), shell=args.shell))
    return 0
