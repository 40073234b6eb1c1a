"""Parcels: what makes a file of the new release out of one that the box has, and sends little else.

The form, and why so: docs/design/ship-plan.md. A parcel depends on two digests alone, so it is made once for
each pair and kept; what a box has of it already is not sent again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.box.errors import BoxError
from edgepack.box.facts import Facts
from edgepack.box.session import Box
from edgepack.bundle import Bundle, BundleFile
from edgepack.ship import kept
from edgepack.ship.chunks import Ask, Chunks
from edgepack.ship.report import Progress
from edgepack.ship.transfer import Pace, Sent, Way
from edgepack.store import digest_file
from edgepack.tools import cache
from edgepack.tools.runner import command, run

LEAST = 64 << 10  # bytes: for less than that a helper is not worth its way
LEAST_BY_CHUNKS = 256 << 10  # bytes: of less, a box's chunks cost as much as they save
LEAST_ALONE = (
    8 << 20
)  # bytes: the same where the box has nothing to start from, and only a cut link is feared
_HEAD, _BLOCK_HEAD = 104, 32
_FROM_AT = 88  # where in a head stands from which byte on its blocks are
END = b"EKE1"
_CHUNK = 128 << 10
_THOROUGH, _QUICK, _SMALL = 19, 12, 16 << 20  # zstd's levels, and up to which size the first is taken
_SILENCE_S = 300.0  # a box reads back what it wrote before it says that it is right
_THREADS = 8


@dataclass(frozen=True)
class Tools:
    """Where the two programs come from, made when they are first wanted.

    helper: for the box's architecture. encoder: for this host. Both raise EdgepackError where they are not to
    be had.
    """

    helper: Callable[[], Path]
    encoder: Callable[[], Path]


@dataclass(frozen=True)
class Parcel:
    """One file's way: the parcel's own file, and what it is made from. ``base``: a sha256, or None."""

    file: BundleFile
    place: Path
    base: str | None


def worth(files: Sequence[BundleFile], facts: Facts) -> bool:
    """Whether so much is to be sent that parcels are made for it."""
    return sum(file.size for file in files) >= (LEAST if facts.bases or facts.parts else LEAST_ALONE)


@dataclass(frozen=True)
class Base:
    """What a file is made from. Its content where this host has it, else what the box says of its chunks."""

    sha256: str
    content: Path | None = None
    chunks: Chunks | None = None

    @property
    def name(self) -> str:
        """For a parcel's own name: another list of chunks gives another parcel."""
        return f"{self.sha256}.{self.chunks.digest[:16]}" if self.chunks else self.sha256


def bases_of(files: Sequence[BundleFile], there: Mapping[str, str], ask: Ask) -> dict[str, Base]:
    """What the box has that files can be made from, by their sha256.

    there: path in the box's release → sha256. Of what this host does not have, the box is asked for chunks.
    """
    found, strange = {}, {}
    for file in files:
        base = there.get(file.path)
        place = kept.content(base) if base else None
        if base and place:
            found[file.sha256] = Base(base, content=place)
        elif base and file.size >= LEAST_BY_CHUNKS:
            strange[file.sha256] = base
    lists = ask(sorted(set(strange.values()))) if strange else {}
    return found | {sha: Base(base, chunks=lists[base]) for sha, base in strange.items() if base in lists}


def prepare(
    bundle: Bundle,
    files: Sequence[BundleFile],
    bases: Mapping[str, Base],
    encoder: Path,
    progress: Progress,
) -> list[Parcel]:
    """A parcel for each file; ``bases``: by the file's sha256; without one it is sent whole, compressed.

    Raises BoxError where the encoder fails.
    """
    total, done, made = sum(file.size for file in files), 0, []
    for file in files:
        made.append(_parcel(bundle, file, encoder, bases.get(file.sha256)))
        done += file.size
        progress("prepare", done, total)
    return made


def _parcel(bundle: Bundle, file: BundleFile, encoder: Path, base: Base | None) -> Parcel:
    level = _THOROUGH if file.size <= _SMALL else _QUICK
    encoded = digest_file(encoder)[:16]
    name = f"{file.sha256}-{base.name if base else 'whole'}-{file.mode:o}-{level}-{encoded}"
    from_ = base.sha256 if base else None
    place = cache.root() / "parcels" / name
    if place.is_file():
        os.utime(place)
        return Parcel(file, place, from_)
    with cache.locked(place), tempfile.TemporaryDirectory(prefix="edgepack-parcel-") as temporary:
        if not place.is_file():
            content = Path(temporary) / "content"
            with bundle.open(file) as source, content.open("wb") as to:
                shutil.copyfileobj(source, to)
            threads = min(_THREADS, len(os.sched_getaffinity(0)))
            part = place.with_name(f"{place.name}.part")
            words = (f"{file.mode:o}", str(level), str(threads), str(part))
            done = run(command(encoder, content, *words, *_base_words(base, Path(temporary))))
            if not done.ok:
                raise BoxError(
                    f"cannot prepare {file.path} for the way",
                    "encode",
                    where=str(place.parent),
                    fix="free some space, or delete the cache: edgepack clean --cache",
                    detail=done.text().strip(),
                )
            part.rename(place)
            kept.prune(place.parent)
    return Parcel(file, place, from_)


def _base_words(base: Base | None, scratch: Path) -> tuple[Path | str, ...]:
    if base is None:
        return ()
    if base.chunks is None:
        assert base.content is not None
        return (base.content,)
    listed = scratch / "chunks"
    listed.write_bytes(base.chunks.text(base.sha256))
    return ("--chunks", listed)


def size(parcels: Iterable[Parcel], parts: Mapping[str, int]) -> int:
    """Bytes that will go over the link for them, in a stream of its own."""
    total = len(END)
    for parcel in parcels:
        _, length = _rest(parcel.place, parts.get(parcel.file.sha256, 0))
        total += _HEAD + length
    return total


def install(box: Box, token: str, facts: Facts, helper: Path) -> str | None:
    """The helper on the box: its sha256, or None where the box does not run it."""
    sha = digest_file(helper)
    if sha in facts.helpers:
        return sha
    said = box.call("helper", token, sha, stdin=[helper.read_bytes()])
    return sha if f"helper helper-{sha}" in said else None


def send(
    box: Box, words: tuple[str, str], parcels: Sequence[Parcel], parts: Mapping[str, int], way: Way
) -> tuple[Sent, list[BundleFile]]:
    """Send parcels, from where the box has them in part; what came, and the files that were not right.

    words: the lock's token and the helper's sha256. A file is not right where its base is not what its name
    says: it has to come whole.
    Raises BoxError, PreflightError where the disk is full after all, and UnreachableError.
    """
    stream = _Stream(size(parcels, parts), way.pace, way.progress)
    said = box.call("parcels", *words, stdin=stream.of(parcels, parts), silence_s=_SILENCE_S)
    got = {line.removeprefix("received ") for line in said if line.startswith("received ")}
    wrong = [parcel.file for parcel in parcels if parcel.file.sha256 not in got]
    return Sent(len(parcels) - len(wrong), stream.bytes), wrong


class _Stream:
    """The bytes on their way, counted."""

    def __init__(self, total: int, pace: Pace, progress: Progress) -> None:
        self.bytes = 0
        self._total, self._pace, self._progress = total, pace, progress

    def of(self, parcels: Sequence[Parcel], parts: Mapping[str, int]) -> Iterator[bytes]:
        for parcel in parcels:
            for data in _bytes(parcel.place, parts.get(parcel.file.sha256, 0)):
                self._pace.wait(len(data))
                self.bytes += len(data)
                yield data
                self._progress("send", self.bytes, self._total)
        self.bytes += len(END)
        yield END


def _rest(place: Path, there: int) -> tuple[int, int]:
    """Where in a parcel the blocks begin that a box with ``there`` bytes lacks, and how many bytes these are.

    A part that does not end where a block ends is of another parcel, whose blocks were others: all are sent.
    """
    whole, at, made = place.stat().st_size, _HEAD, 0
    with place.open("rb") as parcel:
        while at < whole and made < there:
            parcel.seek(at)
            head = parcel.read(_BLOCK_HEAD)
            made += int.from_bytes(head[8:12], "little")
            at += _BLOCK_HEAD + int.from_bytes(head[4:8], "little")
    if made != there:
        return _HEAD, whole - _HEAD
    return at, whole - at


def _bytes(place: Path, there: int) -> Iterator[bytes]:
    at, length = _rest(place, there)
    with place.open("rb") as parcel:
        head = bytearray(parcel.read(_HEAD))
        if at != _HEAD:
            head[_FROM_AT : _FROM_AT + 8] = there.to_bytes(8, "little")
        yield bytes(head)
        parcel.seek(at)
        while length and (data := parcel.read(min(_CHUNK, length))):
            length -= len(data)
            yield data


def keep(bundle: Bundle) -> None:
    """Keep what a box has now, to make the next release from. A full disk is no reason to fail."""
    with contextlib.suppress(OSError):
        for file in bundle.files:
            kept.keep(bundle, file)
        kept.keep_list(bundle)
