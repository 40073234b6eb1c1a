"""What an emulated disk was told, write by write, and the disk as it was after any of them.

QEMU's ``blklogwrites`` driver writes the log in the format of Linux's dm-log-writes
(https://docs.kernel.org/admin-guide/device-mapper/log-writes.html): a sector that describes the log, then
for each entry a sector (four little-endian 64-bit numbers: sector, sectors, flags, bytes of a mark) and,
unless it discards, its data. A board whose plug is pulled has on its disk what some prefix of this log says:
QEMU hands each write on before it tells the board that it is done.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.tools.runner import command, run

SECTOR = 512
_MAGIC = 0x6A736677736872
_FLUSH, _DISCARD = 1, 4


@dataclass(frozen=True)
class Entry:
    """``length`` bytes at ``to`` on the disk, at ``at`` in the log; none for a flush or a discard."""

    to: int
    at: int
    length: int
    flush: bool  # the disk keeps all that came before, whatever happens

    @property
    def end(self) -> int:
        """Where the next entry begins in the log."""
        return self.at + self.length


def read(log: Path) -> Sequence[Entry]:
    """The whole entries of a log, in order; a last one that is cut off is none.

    Raises ValueError where the file is not such a log.
    """
    size = log.stat().st_size
    with log.open("rb") as opened:
        magic, version, _, sector = struct.unpack("<QQQI", opened.read(28))
        if (magic, version, sector) != (_MAGIC, 1, SECTOR):
            raise ValueError(f"{log} is no log of writes: {magic:#x}, {version}, {sector}")
        return tuple(_entries(opened.fileno(), size))


def _entries(log: int, size: int) -> Iterator[Entry]:
    at = SECTOR
    while at + SECTOR <= size:
        to, sectors, flags, _ = struct.unpack("<4Q", os.pread(log, 32, at))
        length = 0 if flags & _DISCARD else sectors * SECTOR
        entry = Entry(to * SECTOR, at + SECTOR, length, bool(flags & _FLUSH))
        if entry.end > size:
            return
        yield entry
        at = entry.end


class Replay:
    """One disk, advanced through its log, and copies of it as a pulled plug leaves it. Only ever forward.

    ``lies``: how many of its last flushes the disk said yes to without doing them. No program can do
    anything about such a disk: it shows that what looks at the copies can tell.
    """

    def __init__(self, pristine: Path, log: Path, folder: Path, lies: int = 0) -> None:
        self.entries = read(log)
        self._log = log
        self._lies = lies
        self._disk = folder / "kept.img"  # up to the last flush: what no power cut takes away
        self._kept = 0
        _copy(pristine, self._disk)

    def in_order(self, cut: int, into: Path) -> None:
        """``into`` becomes the disk after ``cut`` entries: all that was told until then is on it."""
        self._advance(cut, into)
        self._apply(into, range(self._kept, cut))

    def cache_lost(self, cut: int, into: Path, rng: random.Random) -> None:
        """The same for a disk that has a cache of its own: of what came after the last flush any part,
        drawn by ``rng``, got to it.
        """
        self._advance(cut, into)
        self._apply(into, [number for number in range(self._kept, cut) if rng.random() < 0.5])

    def _advance(self, cut: int, into: Path) -> None:
        flushed = [number + 1 for number in range(cut) if self.entries[number].flush]
        kept = flushed[-1 - self._lies] if len(flushed) > self._lies else 0
        if kept < self._kept:
            raise ValueError(f"entry {cut} is in the past: the disk is at {self._kept} already")
        self._apply(self._disk, range(self._kept, kept))
        self._kept = kept
        _copy(self._disk, into)

    def _apply(self, disk: Path, numbers: Sequence[int]) -> None:
        with self._log.open("rb") as log, disk.open("r+b") as opened:
            for number in numbers:
                entry = self.entries[number]
                data = os.pread(log.fileno(), entry.length, entry.at)
                os.pwrite(opened.fileno(), data, entry.to)


def _copy(disk: Path, into: Path) -> None:
    """Without the holes: a disk of 1 GB has some 150 MB on it. Raises OSError where there is no room."""
    done = run(command("cp", "--sparse=always", "--reflink=auto", disk, into))
    if not done.ok:
        raise OSError(done.text())
