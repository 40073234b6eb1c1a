"""Weights that an ONNX file keeps in files beside it: which they are, without the onnx package.

Read from the file's protobuf encoding alone. Field numbers by onnx.proto, the wire format by protobuf's
encoding guide. What is damaged is skipped: the recipe that converts the model says what is wrong with it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgepack.manifest import pointer
from edgepack.model.errors import ExternalDataError

MOST_BYTES = 64 << 30  # a file with holes may claim any size; its digest would be computed for hours
_DEEPEST = 100  # messages inside one another, which is also protobuf's own limit
_INSIDE: dict[str, dict[int, str]] = {  # message → field → the message that it holds
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
}
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1  # of a TensorProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Field = tuple[int, int, int]  # number, where its bytes begin and end; of a varint: its value, twice


def files(model: Path) -> dict[str, Path]:
    """The files that hold weights of ``model``, as the model names them, by POSIX path in its own folder.

    Empty where it holds all its weights itself. Raises ExternalDataError for a name that leads out of the
    model's folder or to no file, and OSError where the model cannot be read.
    """
    return {str(PurePosixPath(name)): _beside(model, name) for name in sorted(locations(model))}


def locations(model: Path) -> frozenset[str]:
    """Every ``location`` of a tensor that is stored outside, exactly as the file spells it."""
    with model.open("rb") as f:
        if not model.stat().st_size:
            return frozenset()
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return frozenset(_walk(data))


def _beside(model: Path, location: str) -> Path:
    folder = model.resolve().parent
    path, shown = PurePosixPath(location), _shown(location)
    plain = location.isprintable() and "\\" not in location
    if not location or not plain or path.is_absolute() or ".." in path.parts:
        raise ExternalDataError(
            f"{model.name} wants weights from {shown!r}",
            why="a model may only name files in its own folder",
            fix="save the model with its weights beside it, or in one file",
        )
    try:
        real = (folder / location).resolve(strict=True)
        there = real.is_file()
    except OSError:
        there = False
    if not there:
        raise ExternalDataError(
            f"{model.name} keeps weights in {shown}, and there is no such file beside it",
            why="the export wrote several files, and not all of them were copied",
            fix=f"copy {shown} beside {model.name}, or save the model as one file",
        )
    if not real.is_relative_to(folder):
        raise ExternalDataError(
            f"{model.name} keeps weights in {shown}, which leads out of the model's folder",
            why="it is a link to somewhere else",
            fix="copy the file itself there",
        )
    if real.stat().st_size > MOST_BYTES:
        raise ExternalDataError(
            f"{model.name} keeps weights in {shown}, which has {real.stat().st_size / 1e9:,.0f} GB",
            why=f"no box takes a model of more than {MOST_BYTES >> 30} GiB; the file may be damaged",
            fix="export the model again",
        )
    if pointer.is_pointer(real):
        raise ExternalDataError(pointer.words(shown), fix=pointer.FIX)
    return folder / location


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:80])


def _walk(data: mmap.mmap) -> Iterator[str]:
    """The locations of all tensors wherever they are, by a stack of our own: depth is the file's to say."""
    waiting = [("model", 0, len(data), 1)]
    while waiting:
        kind, start, end, depth = waiting.pop()
        if kind == "tensor":
            yield from _tensor(data, start, end)
            continue
        for number, begin, stop in _fields(data, start, end):
            inner = _INSIDE[kind].get(number)
            if inner and begin < stop and depth < _DEEPEST:
                waiting.append((inner, begin, stop, depth + 1))


def _tensor(data: mmap.mmap, start: int, end: int) -> Iterator[str]:
    outside, entries = False, {}
    for number, begin, stop in _fields(data, start, end):
        if number == _DATA_LOCATION:
            outside = begin == _EXTERNAL
        elif number == _EXTERNAL_DATA:
            entry = {n: data[b:e] for n, b, e in _fields(data, begin, stop)}
            entries[entry.get(1, b"")] = entry.get(2, b"")
    if outside:
        yield entries.get(b"location", b"").decode("utf-8", "replace")


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[_Field]:
    """The fields between two offsets, up to the first that makes no sense."""
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        wire, size = tag & 7, 0
        if wire == _VARINT:
            value, at = _varint(data, at, end)
            if at <= end:
                yield tag >> 3, value, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at, end)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            return
        if at + size > end:
            return
        if wire == _BYTES:
            yield tag >> 3, at, at + size
        at += size


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends; past ``end`` where it is cut off."""
    value = shift = 0
    while at < end and shift < 64:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at
    return 0, end + 1
