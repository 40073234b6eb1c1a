"""The server of one sandbox box: ``python -m edgepack.sandbox.server FOLDER``.

Listens on 127.0.0.1, hands each connection to the host's sshd or serves it itself, and adopts every
process of the box. Ends, and ends all of those, on SIGTERM or when its folder is gone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from edgepack.sandbox import processes
from edgepack.sandbox.children import Children
from edgepack.sandbox.state import Layout, write_private
from edgepack.tools import sshd

_LOG = logging.getLogger("edgepack.sandbox")
_GRACE_S = 3.0
_LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Settings:
    """What the server is told, by ``server.json``."""

    kind: str  # "sshd" or "builtin"
    user: str
    port: int  # wanted; another is taken where it is not free, any for 0
    emulator: str  # path, or ""
    sshd: str  # path of the host's sshd, or ""


def read_settings(files: Layout) -> Settings:
    return Settings(**json.loads(files.settings.read_text("utf-8")))


def write_settings(files: Layout, settings: Settings) -> None:
    write_private(files.settings, asdict(settings))


def begin(files: Layout, settings: Settings) -> tuple[str, ...]:
    """The argv that begins every session of this box."""
    script = Path(__file__).with_name("session.sh")
    shell = shutil.which("sh") or "/bin/sh"
    return (shell, str(script), str(files.folder), settings.user, settings.emulator)


def serve(files: Layout) -> None:
    """Serve until told to stop."""
    settings = read_settings(files)
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    os.umask(0o022)
    children = Children()
    listener = _listen(settings.port)
    greet = _greeter(files, settings, children)
    threading.Thread(target=_accept, args=(listener, greet), daemon=True).start()
    write_private(files.ready, {"pid": os.getpid(), "port": listener.getsockname()[1]})
    _LOG.info("serving by %s", settings.kind)
    while not stop.wait(_LOOK_EVERY_S) and files.settings.exists():
        pass
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # also wakes the thread that waits on it
    processes.end(lambda: processes.below(os.getpid()), _GRACE_S)


Greeter = Callable[[socket.socket], None]


def _greeter(files: Layout, settings: Settings, children: Children) -> Greeter:
    """What is done with each connection; it may not block."""
    if settings.kind == "sshd":
        argv = sshd.one_connection(Path(settings.sshd), files.sshd_config, files.log).argv

        def by_sshd(connection: socket.socket) -> None:
            log = os.open(files.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with connection, os.fdopen(log, "ab") as words:
                ends = (connection.fileno(), connection.fileno(), words.fileno())
                children.spawn(argv, {"PATH": os.defpath}, ends)

        return by_sshd

    # paramiko takes a while to import, and beside an sshd it is not needed.
    import paramiko

    from edgepack.sandbox.connection import Connection, House

    house = House(
        user=settings.user,
        authorized=paramiko.Ed25519Key(filename=str(files.identity)),
        host_key=paramiko.Ed25519Key(filename=str(files.host_key)),
        begin=partial(children.spawn, begin(files, settings)),
    )

    def by_itself(connection: socket.socket) -> None:
        served = Connection(connection)
        threading.Thread(target=served.serve, args=(house,), daemon=True).start()

    return by_itself


def _accept(listener: socket.socket, greet: Greeter) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # it was closed
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greet(connection)
        except Exception:  # noqa: BLE001 - one bad connection must not end the box
            _LOG.exception("a connection could not be served")
            connection.close()


def _listen(port: int) -> socket.socket:
    """A listener on loopback, on the wanted port or, where that is taken, on any free one."""
    for wanted in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener
    raise OSError("127.0.0.1 has no free port")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("paramiko").setLevel(logging.WARNING)
    serve(Layout(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
