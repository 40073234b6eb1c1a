"""The one place where errors become sentences and exit codes.

Start-up is counted in milliseconds here: ``--version`` and a ``build`` with nothing to do import
nothing but the standard library's smallest parts, and a command imports only its own module.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own constant costs the import of typing
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    from edgepack.cli.screen import Screen

    class Command(Protocol):
        """What a command's module offers."""

        def add_arguments(self, parser: argparse.ArgumentParser) -> None:
            """Add its own flags."""

        def run(self, args: argparse.Namespace, screen: Screen) -> int:
            """Parse, call, show; returns the exit code."""


_EVERYWHERE = ("--json", "-q", "--quiet")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = _command_first(list(sys.argv[1:] if argv is None else argv))
    if words[:1] == ["build"]:
        from edgepack.cli import quick

        done = quick.nothing_to_do(words)
        if done is not None:
            return done
    if words[:1] in (["--version"], ["-V"]):
        from edgepack import __version__

        sys.stdout.write(f"edgepack {__version__}\n")
        return 0
    if words[:1] in (["help"], ["-h"], ["--help"]):
        words = [*words[1:2], "--help"]  # `help build` and `--help build` are what others call it
    if not words or words == ["--help"]:
        parser([]).print_help()
        return 0 if words else 2
    return _run(words)


def _command_first(words: list[str]) -> list[str]:
    """The flags that every command takes may stand anywhere: ``edgepack -C FOLDER sandbox up box-07 -q``.

    They are moved to behind the command, where its parser knows them.
    """
    common, rest, follows = [], [], False
    for word in words:
        if follows or word in _EVERYWHERE or word.startswith("-C"):
            common.append(word)
            follows = not follows and word == "-C"
        else:
            rest.append(word)
    return [*rest[:1], *common, *rest[1:]]


def _run(words: list[str]) -> int:
    from edgepack.cli.screen import Screen
    from edgepack.errors import EdgepackError, Exit

    screen = Screen(json="--json" in words)
    try:
        args = _parse(words)
        screen.quiet = bool(args.quiet)
        module = _module(args.command)
        return int(module.run(args, screen))
    except EdgepackError as error:
        screen.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        from edgepack.tools import runner

        runner.stop_all()
        screen.interrupted()
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except OSError as error:
        from edgepack.cli import host

        told = host.refusal(error)
        if told is None:
            return _bug(screen, error)
        screen.error(told)
        return told.exit_code
    except Exception as error:  # noqa: BLE001 - the branch for edgepack's own faults
        return _bug(screen, error)


def _parse(words: list[str]) -> argparse.Namespace:
    """The command line; what it cannot be is a UsageError like every other mistake."""
    from edgepack.errors import UsageError

    _known(words)
    args, unknown = parser(words).parse_known_args(words)
    if unknown:
        import difflib
        import re

        command = f"edgepack {args.command}"
        alone = _alone(args.command)
        flags = sorted(set(re.findall(r"--[a-z][a-z-]+", alone.format_help())))
        near = difflib.get_close_matches(unknown[0].partition("=")[0], flags, 1, 0.5)
        raise UsageError(
            f"{command} does not take `{unknown[0]}`",
            why=f"did you mean `{near[0]}`?" if near else "",
            fix=f"{command} --help shows what it takes",
            detail=alone.format_usage().strip(),
        )
    args.words = words
    return args


def _alone(command: str) -> argparse.ArgumentParser:
    """A command's own parser: all of its flags are in its help."""
    import argparse

    alone = argparse.ArgumentParser(f"edgepack {command}")
    _common(alone)
    _module(command).add_arguments(alone)
    return alone


def _known(words: list[str]) -> None:
    """Refuse a command that is none, with the nearest one: argparse would list all of them."""
    from edgepack.cli.commands import COMMANDS
    from edgepack.errors import UsageError

    first = next((word for word in words if not word.startswith("-")), None)
    if not words or first is None or first in COMMANDS or words[0].startswith("-"):
        return
    import difflib

    near = difflib.get_close_matches(first, COMMANDS, 1, 0.5)
    raise UsageError(
        f"there is no command `{first}`",
        why=f"did you mean `{near[0]}`?" if near else "",
        fix="edgepack --help lists them",
    )


def parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The command line. Only the command that ``words`` name is imported and described in full."""
    import argparse

    from edgepack import __version__
    from edgepack.cli.commands import COMMANDS

    class Formatter(argparse.HelpFormatter):
        """argparse's own, told the width: it would import shutil and all compressors to ask for it."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=_columns() - 2)

    class Parser(argparse.ArgumentParser):
        """argparse's own, whose complaints are errors like all others."""

        def error(self, message: str) -> NoReturn:
            from edgepack.errors import UsageError

            lacks = message.partition("arguments are required: ")[2]
            told = f" needs {lacks}" if lacks else f": {message.removeprefix('argument ')}"
            fix = f"{self.prog} --help shows what it takes"
            raise UsageError(f"{self.prog}{told}", fix=fix, detail=self.format_usage().strip())

    top = Parser(
        prog="edgepack",
        formatter_class=Formatter,
        description="Ship trained models to boxes, with proof that they compute what was trained.",
        epilog="edgepack COMMAND --help tells more; docs: README.md",
    )
    top.add_argument("-V", "--version", action="version", version=f"edgepack {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((word for word in words if word in COMMANDS), None)
    for name, line in COMMANDS.items():
        about = line[0].upper() + line[1:] + "."
        sub = commands.add_parser(name, help=line, description=about, formatter_class=Formatter)
        if name == named or (named is None and "--all" in words):
            _common(sub)
            _module(name).add_arguments(sub)
    return top


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return 80


def _common(sub: argparse.ArgumentParser) -> None:
    group = sub.add_argument_group("everywhere")
    group.add_argument("-C", dest="folder", default=".", metavar="FOLDER", help="the project's folder")
    group.add_argument("--json", action="store_true", help="one JSON object on stdout")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")


def _module(name: str) -> Command:
    import importlib

    module: Command = importlib.import_module(f"edgepack.cli.{name}")
    return module


def _bug(screen: Screen, error: Exception) -> int:
    """An exception that nobody meant: kept in a file, with one sentence on the screen."""
    import time
    import traceback

    from edgepack.errors import EdgepackError, Exit
    from edgepack.tools import cache

    text = "".join(traceback.format_exception(error))
    where = ""
    try:
        file = cache.root() / "logs" / f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        where = str(file)
    except OSError:
        screen.text(text)
    screen.error(
        EdgepackError(
            f"edgepack itself failed: {type(error).__name__}: {error}",
            where=where,
            fix="please report it with that file",
        )
    )
    return Exit.BUG
