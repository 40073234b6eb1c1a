"""What else may listen where a box is expected, and a link that is cut on the way to a real one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP port whose every connection is handed to ``serve``, each in a thread, until the end."""
    server = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connections.append(connection)
            thread = threading.Thread(target=_quietly, args=(serve, connection))
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in (acceptor, *threads):
            thread.join(10)
        for connection in connections:
            connection.close()


def silent(connection: socket.socket) -> None:
    """Takes everything, says nothing."""
    while connection.recv(4096):
        pass


def garbage(connection: socket.socket) -> None:
    """An endless stream of something else."""
    while True:
        connection.sendall(b"\x00\xffHTTP/1.1 418 " * 300)


def hangs_up(connection: socket.socket) -> None:
    """Says who it is, and goes."""
    connection.sendall(b"SSH-2.0-Nothing_1.0\r\n")
    connection.shutdown(socket.SHUT_RDWR)


def only_a_banner(connection: socket.socket) -> None:
    """Says who it is, and no more."""
    connection.sendall(b"SSH-2.0-Nothing_1.0\r\n")
    silent(connection)


class Link:
    """A TCP link to a port of this machine that ends after so many bytes to it, or when told."""

    def __init__(self, to: int, cut_after: int | None = None) -> None:
        self._to = to
        self._left = cut_after
        self._ends: list[socket.socket] = []
        self.frozen = threading.Event()

    def serve(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._to))
        self._ends += [near, far]
        back = threading.Thread(target=_quietly, args=(self._back, far, near))
        back.start()
        try:
            while data := near.recv(1024):
                if self.frozen.is_set():
                    continue
                if self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        break
                far.sendall(data)
        finally:
            self.cut()
            back.join()
            far.close()

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        while data := far.recv(65536):
            if not self.frozen.is_set():
                near.sendall(data)
        self.cut()

    def cut(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _quietly(serve: Callable[..., None], *arguments: object) -> None:
    with contextlib.suppress(OSError):
        serve(*arguments)
