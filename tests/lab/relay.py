"""A TCP relay before a box: it counts what goes to it, and cuts every connection after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from .endpoint import LOOPBACK

_CHUNK = 16 << 10


class Relay:
    """Listens at ``port``; ``sent`` bytes have gone to the box.

    ``cut_after``: after so many nothing goes on, and once ``arrived`` says so, all hangs up, once: a slow box
    would lose what is on its way.
    """

    def __init__(self, to: int) -> None:
        self.sent = 0
        self.cut_after: int | None = None
        self.arrived: Callable[[], bool] = lambda: True
        self._to = to
        self._server = socket.create_server((LOOPBACK, 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._server.close()
        self._hang_up()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                box = socket.create_connection((LOOPBACK, self._to))
                self._open += [client, box]
                threading.Thread(target=self._carry, args=(client, box, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(box, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, to: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if counts:
                    self.sent += len(data)
                    if self.cut_after is not None and self.sent > self.cut_after:
                        self.cut_after = None
                        self._wait()
                        self._hang_up()
                        return
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while not self.arrived() and time.monotonic() < end:
            time.sleep(0.05)

    def _hang_up(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()
