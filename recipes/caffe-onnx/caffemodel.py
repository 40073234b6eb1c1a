"""The weights in a ``.caffemodel``: protobuf's wire format, of which only the blobs are read.

Field numbers: src/caffe/proto/caffe.proto. NetParameter: layers 2 (V1), layer 100. LayerParameter: name 1,
blobs 7. V1LayerParameter: name 4, blobs 6. BlobProto: num … width 1–4, data 5, shape 7, double_data 8.
BlobShape: dim 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from edgepack_recipe import Refused

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read(file: Path) -> dict[str, list[np.ndarray]]:
    """Blobs by layer, float32. Raises Refused."""
    found: dict[str, list[np.ndarray]] = {}
    try:
        for number, kind, value in _fields(memoryview(file.read_bytes())):
            if kind == BYTES and number in (2, 100):
                name, blobs = _layer(value, *((4, 6) if number == 2 else (1, 7)))
                if blobs:
                    found[name] = blobs
    except (ValueError, IndexError, MemoryError) as bad:
        what = f"{file.name} is cut off, or is no caffemodel"
        raise Refused("not-a-model", what, str(bad), "copy it again, and compare sizes") from None
    if not found:
        raise Refused("not-a-model", f"{file.name} holds no weights", "it is empty, or is no caffemodel")
    return found


def _layer(data: memoryview, name_field: int, blobs_field: int) -> tuple[str, list[np.ndarray]]:
    name, blobs = "", []
    for number, kind, value in _fields(data):
        if kind == BYTES and number == name_field:
            name = bytes(value).decode("utf-8", "replace")
        elif kind == BYTES and number == blobs_field:
            blobs.append(_blob(value))
    return name, blobs


def _blob(data: memoryview) -> np.ndarray:
    old, shape, parts = [0, 0, 0, 0], [], []
    for number, kind, value in _fields(data):
        if number in (1, 2, 3, 4) and kind == VARINT:
            old[number - 1] = value
        elif number == 7 and kind == BYTES:
            shape = _dims(value)
        elif number in (5, 8) and kind in (BYTES, FIXED32, FIXED64):
            parts.append(np.frombuffer(value, "<f4" if number == 5 else "<f8").astype(np.float32))
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    shape = shape or (old if any(old) else [values.size])
    if int(np.prod(shape, dtype=np.float64)) != values.size:
        raise ValueError(f"a blob of the shape {shape} holds {values.size} numbers")
    return values.reshape(shape)


def _dims(data: memoryview) -> list[int]:
    found = []
    for number, kind, value in _fields(data):
        if number == 1 and kind == VARINT:
            found.append(value)
        elif number == 1 and kind == BYTES:
            at = 0
            while at < len(value):
                size, at = _varint(value, at)
                found.append(size)
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, int, object]]:
    """(number, kind, value) of each field; the value of a fixed one is its bytes. Raises ValueError."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = _varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"there is no field of kind {kind}")
        if at + size > len(data) or not number:
            raise ValueError("a field goes beyond its end")
        yield number, kind, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number does not end")
