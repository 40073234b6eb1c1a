"""Bytes to the box: one tar stream of what it lacks, each file named by its sha256."""

from __future__ import annotations

import tarfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.bundle import Bundle, BundleFile
from edgepack.ship.report import Progress
from edgepack.ship.window import Window

_CHUNK = 128 << 10
_BLOCK = 512
_LEVEL = 3  # more costs the box's peer a lot of time for few bytes: weights hardly shrink
_SILENCE_S = 120.0  # the box hashes what it got, on slow storage, after the last byte


@dataclass(frozen=True)
class Sent:
    """What went over the link. ``bytes`` counts what was sent, compressed where it was."""

    files: int
    bytes: int


class Pace:
    """At most so many bytes a second, over the whole time that it is used; 0: as many as go."""

    def __init__(self, limit: int = 0, window: Window | None = None) -> None:
        self._limit, self._sent, self._began = limit, 0, time.monotonic()
        self._window = window

    def wait(self, count: int) -> None:
        """Before ``count`` bytes more are sent. Raises WindowClosedError."""
        if self._window is not None:
            self._window.hold("and not all of it was sent")
        if not self._limit:
            return
        if not self._sent:
            self._began = time.monotonic()
        due = self._began + self._sent / self._limit
        self._sent += count
        time.sleep(max(0.0, due - time.monotonic()))


@dataclass(frozen=True)
class Way:
    """How to send: how fast at the most, and who is told."""

    pace: Pace
    progress: Progress


def send(box: Box, token: str, bundle: Bundle, files: Sequence[BundleFile], gzip: bool, way: Way) -> Sent:
    """Send files and have the box check each digest before it keeps them.

    Raises BoxError (``bad-digest``, ``cut-off``), PreflightError where the disk is full after all,
    and UnreachableError.
    """
    total = sum(file.size for file in files)
    counter = _Counter(total, way)
    stream: Iterable[bytes] = counter.raw(tar(bundle, files))
    if gzip:
        stream = _gzip(stream)
    kind = "gzip" if gzip else "plain"
    said = box.call("receive", token, kind, stdin=counter.sent(stream), silence_s=_SILENCE_S)
    got = {line.removeprefix("received ") for line in said if line.startswith("received ")}
    lost = [file.path for file in files if file.sha256 not in got]
    if lost:
        raise BoxError(
            f"the box did not keep {len(lost)} of {len(files)} files, {lost[0]} among them",
            "cut-off",
            where=box.endpoint.where,
            fix="run the same command again",
        )
    return Sent(len(files), counter.bytes)


class _Counter:
    """Counts bytes before and after compression, and tells of the former."""

    def __init__(self, total: int, way: Way) -> None:
        self.bytes = 0
        self._total = total
        self._done = 0
        self._way = way

    def raw(self, chunks: Iterable[tuple[bytes, int]]) -> Iterator[bytes]:
        for data, content in chunks:
            yield data
            self._done += content
            if content:
                self._way.progress("send", self._done, self._total)

    def sent(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for data in chunks:
            self._way.pace.wait(len(data))
            self.bytes += len(data)
            yield data


def tar(bundle: Bundle, files: Sequence[BundleFile]) -> Iterator[tuple[bytes, int]]:
    """Pieces of the tar, and how many bytes of content are in each."""
    for file in files:
        info = tarfile.TarInfo(file.sha256)
        info.size, info.mode = file.size, file.mode
        yield info.tobuf(tarfile.USTAR_FORMAT), 0
        with bundle.open(file) as stream:
            while data := stream.read(_CHUNK):
                yield data, len(data)
        yield b"\0" * (-file.size % _BLOCK), 0
    yield b"\0" * (2 * _BLOCK), 0


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for data in chunks:
        if out := squeeze.compress(data):
            yield out
    yield squeeze.flush()
