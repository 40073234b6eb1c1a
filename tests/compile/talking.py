"""A program that speaks with peers, built from a manifest's own words; and peers that do as they are told."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgepack.compile.flow import flow_of
from edgepack.manifest.project import Manifest
from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny

SLOW = """\
#include <edgepack/edgepack.h>

#include <chrono>
#include <thread>

namespace mine {

// The first pixel says for how many hundredths of a second it works.
edgepack::Tensor gray(const edgepack::Tensor& image) {
  std::this_thread::sleep_for(std::chrono::milliseconds(static_cast<int>(image.data.at(0)) * 10));
  const std::size_t plane = image.data.size() / 3;
  const auto begin = image.data.begin();
  return {{1, image.shape[1], image.shape[2]}, {begin, begin + static_cast<long>(plane)}};
}

}  // namespace mine
"""


def manifest(**said: Any) -> Manifest:
    """A project's manifest with these sections."""
    known = {"name": "tiny", "version": "1", "model": {"file": "m.onnx"}, "targets": {"x86_64": {}}}
    return Manifest.model_validate({**known, **said})


def built(folder: Path, **said: Any) -> Tiny:
    """The tiny program with the source and the sinks of these sections."""
    project = folder / "project"
    if not project.exists():
        tiny.write_project(project)
        (project / "src" / "pre.cpp").write_text(SLOW)
        tiny.write_model(folder / "work" / "release", tiny.weights())
    spec = dataclasses.replace(tiny.SPEC, flow=flow_of(manifest(**said)))
    work = folder / "work"
    return Tiny(project, work, work / "release", tiny.build(project, work, spec))


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def posted(
    port: int, body: bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """Status, JSON and headers of what is answered to an image."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/", body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), dict(answer.getheaders())
    finally:
        connection.close()


class Rude:
    """A peer that does with each connection what the next of its deeds says; the last one for ever."""

    def __init__(self, port: int, *deeds: Callable[[socket.socket], None]) -> None:
        self._deeds = list(deeds)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._ended = threading.Event()
        self.met = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            deed = self._deeds[min(self.met, len(self._deeds) - 1)]
            self.met += 1
            threading.Thread(target=self._do, args=(deed, connection), daemon=True).start()

    def _do(self, deed: Callable[[socket.socket], None], connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            connection.settimeout(60)
            deed(connection)

    def close(self) -> None:
        """Nobody is met any more."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def rude(port: int, *deeds: Callable[[socket.socket], None]) -> Iterator[Rude]:
    """One that is closed afterwards."""
    peer = Rude(port, *deeds)
    try:
        yield peer
    finally:
        peer.close()


class Line:
    """What lies between two programs: a connection goes on to the other's port; it can be cut."""

    def __init__(self, far: int) -> None:
        self._far = far
        self._open: list[socket.socket] = []

    def carry(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._far), 60) as other:
            self._open += [connection, other]
            back = threading.Thread(target=self._pass, args=(other, connection), daemon=True)
            back.start()
            self._pass(connection, other)
            back.join()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := one.recv(65536):
                other.sendall(block)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()


def request_of(connection: socket.socket) -> tuple[str, bytes]:
    """The head and the body of an HTTP request."""
    file = connection.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            raise ValueError("no request")
        head += line
    text = head.decode("latin-1")
    length = int(text.lower().partition("content-length:")[2].splitlines()[0])
    return text, file.read(length)
