"""``edgepack debug NODE``: gdb on the program that runs on a box; ``--symbols``: what gdb needs for that."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socket import socket

    from edgepack.box.session import Box
    from edgepack.cli.screen import Screen
    from edgepack.debug.gdb import Setup
    from edgepack.debug.running import Running
    from edgepack.debug.session import Options

_ACTIONS = ("export", "import")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "node", nargs="?", metavar="NODE", help="a box of fleet.yaml, or a sandbox; a folder with --symbols"
    )
    parser.add_argument("--core", type=Path, metavar="CORE", help="open a core dump instead, without a box")
    parser.add_argument(
        "-ex", dest="commands", action="append", default=[], metavar="COMMAND", help="for gdb; repeatable"
    )
    parser.add_argument("--batch", action="store_true", help="gdb ends after its commands, and asks nothing")
    parser.add_argument(
        "--print",
        dest="shown",
        action="store_true",
        help="show gdb's command line, and serve it until Ctrl-C",
    )
    parser.add_argument(
        "--port", type=int, metavar="PORT", help="as --print, on that port of 127.0.0.1; 0: a free one"
    )
    parser.add_argument("--keep", action="store_true", help="leave gdbserver on the box for the next time")
    parser.add_argument(
        "--editor",
        choices=("vscode", "nvim", "jetbrains"),
        help="write an editor's files (vscode), or show what it is to be told; the box is not asked",
    )
    parser.add_argument(
        "--symbols", choices=_ACTIONS, help="debug files by build-id, to or from the folder given as NODE"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Symbols, a core, or a box."""
    from edgepack.errors import UsageError

    if args.core:
        return _core(args, screen)
    if args.node is None:
        raise UsageError("which box?", fix="edgepack debug NODE, or --core CORE, or --symbols export FOLDER")
    if args.symbols:
        return _symbols(args.symbols, Path(args.node), screen)
    if args.editor:
        from edgepack.cli import debug_editor

        return debug_editor.run(Path(args.folder).absolute(), args.node, args.editor, screen)
    serves = args.shown or args.port is not None
    if screen.json and not serves:
        raise UsageError("--json goes with --print, --port and --symbols", why="gdb itself speaks to people")
    return _box(args, screen, serves)


def _told_to_end(*_: object) -> None:
    """An editor ends its task so: as Ctrl-C, it is to leave nothing on the box."""
    raise KeyboardInterrupt


def _symbols(action: str, path: Path, screen: Screen) -> int:
    from edgepack.debug import symbols

    taken = symbols.export(path) if action == "export" else symbols.take_in(path)
    screen.result({"new": taken.new, "there": taken.there})
    for build_id in taken.new:
        screen.text(build_id)
    screen.text(f"{len(taken.new)} {action}ed, {len(taken.there)} there already")
    return 0


def _core(args: argparse.Namespace, screen: Screen) -> int:
    from edgepack.debug import dump, gdb, sources
    from edgepack.tools import debug_files, runner

    found = dump.of(args.core)
    where = sources.of(Path(args.folder).absolute())
    setup = gdb.Setup(found.arch, found.symbols, sources=where, debug_root=debug_files.folder())
    words = _gdb(args, setup, (f"core-file {args.core}",))
    return _show(words, "", screen) if args.shown else runner.foreground(runner.command(*words))


def _box(args: argparse.Namespace, screen: Screen, serves: bool) -> int:
    from edgepack.box.session import Box
    from edgepack.cli import nodes
    from edgepack.debug import editors, gdb, running, session, sources, symbols
    from edgepack.manifest import project as manifest
    from edgepack.tools import debug_files
    from edgepack.tools import gdb as tool

    folder = Path(args.folder).absolute()
    app = manifest.load(folder).manifest.name
    found = nodes.find(folder, args.node)
    signal.signal(signal.SIGTERM, _told_to_end)
    with found.blamed(), Box(found.endpoint) as box:
        runs = running.look(box, app)
        file = symbols.needed(runs.build_id, f"{app} on this box", found.endpoint.where)
        editors.point(folder, args.node, file)
        tool.find(gdb.ARCHITECTURES[runs.arch])
        for sentence in running.warnings(box, runs):
            screen.remark(f"{screen.paint('beforehand:', 'yellow')} {sentence}")
        options = session.Options(lambda: _server(runs.arch, screen), keep=args.keep)
        port = args.port if args.port is not None else (0 if serves else None)
        with session.listening(port) as (listener, address):
            where = sources.of(folder, found.target)
            setup = gdb.Setup(runs.arch, file, address, where, debug_root=debug_files.folder())
            words = _gdb(args, setup)
            if serves:
                _show(words, address, screen)
                return _serve(box, runs, options, listener, screen)
            return _once(box, runs, options, listener, words)


def _once(box: Box, runs: Running, options: Options, listener: socket, words: tuple[str, ...]) -> int:
    """The program stops, and gdb has the terminal."""
    import threading

    from edgepack.debug import session
    from edgepack.tools import runner

    with session.attached(box, runs, options) as opened:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                session.relay(client, opened)

        threading.Thread(target=serve, daemon=True).start()
        return runner.foreground(runner.command(*words))


def _serve(box: Box, runs: Running, options: Options, listener: socket, screen: Screen) -> int:
    """One debugger after the other; the program stops when one connects, and goes on when it has gone."""
    from edgepack.debug import session
    from edgepack.errors import EdgepackError

    while True:
        client, _ = listener.accept()
        with client:
            screen.remark(f"a debugger has {runs.app} (pid {runs.pid})")
            try:
                with session.attached(box, runs, options) as opened:
                    session.relay(client, opened)
            except EdgepackError as error:
                if not box.alive:
                    raise
                screen.error(error)
        screen.remark(f"{runs.app} goes on")


def _server(arch: str, screen: Screen) -> Path:
    from edgepack.compile.gdbserver import build_gdbserver

    name = f"gdbserver for {arch}"
    screen.started(name)
    made = build_gdbserver(arch, lambda words: screen.note(name, words))
    screen.done(name)
    screen.stop()
    return made


def _gdb(args: argparse.Namespace, setup: Setup, more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """gdb's command line. Raises ToolError where this host has none for the architecture."""
    from edgepack.debug import gdb
    from edgepack.tools import gdb as tool

    said = (*gdb.commands(setup), *more, *args.commands)
    program = tool.find(gdb.ARCHITECTURES[setup.arch])
    ends = ("-batch",) if args.batch else ()
    return (str(program), "-q", *ends, *(word for command in said for word in ("-ex", command)))


def _show(words: tuple[str, ...], address: str, screen: Screen) -> int:
    import shlex

    screen.result({"gdb": words, "address": address})
    screen.text(shlex.join(words))
    return 0
