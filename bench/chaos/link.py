"""A TCP link on loopback to a box, that can be cut: with a reset, or by falling silent as a radio does."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading

_NOW = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets
_CHUNK = 65536


class Link:
    """Forwards every connection to ``to``. ``cut`` and ``freeze`` concern those that stand at that moment."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._frozen: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Both ends are told at once, by a reset."""
        with self._lock:
            ends = list(self._pairs)
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
                end.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        with self._lock:
            self._frozen |= set(self._pairs)

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to), timeout=20)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs |= {near: far, far: near}
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError), selectors.DefaultSelector() as ready:
            for end in (near, far):
                ready.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    end = near if key.fileobj is near else far
                    data = end.recv(_CHUNK)
                    if end in self._frozen:
                        ready.unregister(end) if not data else None
                        continue
                    if not data:
                        raise ConnectionResetError
                    self._pairs[end].sendall(data)
        with self._lock:
            for end in (near, far):
                self._pairs.pop(end, None)
                self._frozen.discard(end)
        for end in (near, far):
            end.close()
