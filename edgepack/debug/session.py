"""A debug session: gdbserver on the box, its protocol on a socket here, and nothing left of it afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgepack.box.link import Stream
from edgepack.box.session import Box
from edgepack.debug import leash, on_box
from edgepack.debug.breakpoints import Breakpoints
from edgepack.debug.running import Running
from edgepack.errors import EdgepackError

_CHUNK = 64 << 10
_END_S = 40.0  # the box lets go within ten seconds, or kills its gdbserver
_PUSH_S = 300.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Session:
    """A stopped program. stream: gdb's remote protocol. say: a line to the box beside it."""

    stream: Stream
    say: Callable[[bytes], None]


@dataclass(frozen=True)
class Options:
    """server: makes the gdbserver that a box without one gets. keep: it stays for the next session."""

    server: Callable[[], Path]
    keep: bool = False


@contextlib.contextmanager
def attached(box: Box, running: Running, options: Options) -> Iterator[Session]:
    """The program stopped, and gdbserver at the other end of a stream; let go of at the end.

    Raises DebugError and what ``from_box`` makes, UnreachableError; CompileError and ToolError where a
    gdbserver is to be made.
    """
    token = f"s-{secrets.token_hex(6)}"
    server = _placed(box, running, token, options)
    words = (server, str(running.pid), str(on_box.LEASH_S))
    with box.talk(on_box.line(box.endpoint.root, token, "attach", *words)) as stream:
        _wait_ready(box, stream)
        with leash.held(box, token) as say:
            yield Session(stream, say)
            _finish(stream)


def _placed(box: Box, running: Running, token: str, options: Options) -> str:
    """Which gdbserver it is: the box's own path, or ``pushed`` or ``kept``."""
    root, where = box.endpoint.root, box.endpoint.where
    data, sha = b"", ""
    if not running.server:
        data = options.server().read_bytes()
        sha = hashlib.sha256(data).hexdigest()
        if running.kept == sha:
            data = b""
    stays = "keep" if options.keep else "once"
    push = on_box.line(root, token, "push", sha or "none", str(len(data)), stays)
    done = box.exec(push, [data] if data else [], silence_s=_PUSH_S)
    if done.rc != 0:
        raise on_box.failure(done.stderr.decode("utf-8", "replace"), where)
    if running.server:
        return running.server
    return "pushed" if data and not options.keep else "kept"


def _wait_ready(box: Box, stream: Stream) -> None:
    said, err = bytearray(), bytearray()
    while len(said) < len(on_box.READY) and (chunk := stream.read(err)):
        said += chunk
    if bytes(said) != on_box.READY:
        while stream.read(err):
            pass
        raise on_box.failure(err.decode("utf-8", "replace"), box.endpoint.where)


def _finish(stream: Stream) -> None:
    """Have gdbserver let go, and wait until it has."""
    stream.end()
    ended = threading.Thread(target=_drained, args=(stream,), daemon=True)
    ended.start()
    ended.join(_END_S)


def _drained(stream: Stream) -> None:
    with contextlib.suppress(OSError, EdgepackError):
        while stream.read(bytearray()):
            pass
        stream.status()


@contextlib.contextmanager
def listening(port: int | None) -> Iterator[tuple[socket.socket, str]]:
    """A socket that gdb is to connect to, and its name for ``target remote``.

    port: of 127.0.0.1, 0 for a free one; None for a socket in a folder that no other account can enter.
    """
    with contextlib.ExitStack() as stack:
        if port is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgepack-gdb-", dir=_short()))
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            address = str(Path(folder) / "s")
            listener.bind(address)
        else:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_LOOPBACK, port))
            address = f"{_LOOPBACK}:{listener.getsockname()[1]}"
        listener.listen(1)
        yield listener, address


def _short() -> str:
    """A folder for a socket, whose path has 107 bytes at the most: unix(7)."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= 60 else "/tmp"  # noqa: S108 - mkdtemp makes a folder of 0700 in it


def relay(client: socket.socket, session: Session) -> None:
    """Bytes both ways, until either end has gone."""
    up = threading.Thread(target=_up, args=(client, session), daemon=True)
    up.start()
    with contextlib.suppress(OSError, EdgepackError):
        while chunk := session.stream.read(bytearray()):
            client.sendall(chunk)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
    up.join(_END_S)


def _up(client: socket.socket, session: Session) -> None:
    breakpoints = Breakpoints()
    with contextlib.suppress(OSError, EdgepackError):
        while chunk := client.recv(_CHUNK):
            if breakpoints.feed(chunk):
                session.say(b"=" + breakpoints.undo())
            session.stream.send(chunk)
    with contextlib.suppress(OSError, EdgepackError):
        session.stream.end()
