"""An ONNX file's inputs, outputs and operators, without the onnx package.

Read from the protobuf encoding alone: field numbers by onnx.proto, the wire format by protobuf's encoding
guide. Meant for models that ``recipes/onnx`` has prepared: checked, with every shape fixed.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgepack.convert.errors import ModelError

_GRAPH, _OPSET = 7, 8  # of a ModelProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of a GraphProto
_OUT, _NODE_NAME, _OP_TYPE, _TENSOR_NAME = 2, 3, 4, 8  # of a NodeProto; the last of a TensorProto
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}


@dataclass(frozen=True)
class Tensor:
    """One input or output. shape: with the batch axis of 1; dtype: as NumPy calls it."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Signature:
    """What goes in, what comes out, and how many nodes there are of each operator."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: dict[str, int]


def read(file: Path, *, fixed: bool = True) -> Signature:
    """Raises ModelError where it is no ONNX file, or an input is not ``fixed`` (an open axis is ≤ 0)."""
    try:
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = _model(data)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{file.name} is not an ONNX model", where=str(file), why=str(error)) from None
    open_inputs = [t.name for t in found.inputs if fixed and any(axis <= 0 for axis in t.shape)]
    if not found.inputs or not found.outputs or open_inputs:
        why = f"the shape of {open_inputs[0]} is not fixed" if open_inputs else "it has no inputs or outputs"
        raise ModelError(f"{file.name} cannot be converted as it is", where=str(file), why=why)
    return found


def opset(file: Path) -> int | None:
    """Of ONNX's own operators; None where the file does not say, or is none."""
    try:
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for start, end in _inside(data, 0, len(data), _OPSET):
                fields = {number: (begin, stop) for number, begin, stop in _fields(data, start, end)}
                if _text(data, *fields.get(1, (0, 0))) in ("", "ai.onnx") and 2 in fields:
                    return fields[2][0]
    except (OSError, ValueError, UnicodeDecodeError):
        return None
    return None


def made(file: Path) -> dict[str, str]:
    """Node name → the first tensor that it makes, of the main graph's nodes. Raises ModelError."""
    found: dict[str, str] = {}
    try:
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for start, end in _inside(data, 0, len(data), _GRAPH):
                for begin, stop in _inside(data, start, end, _NODE):
                    names = [_text(data, b, e) for b, e in _inside(data, begin, stop, _NODE_NAME)]
                    tensors = [_text(data, b, e) for b, e in _inside(data, begin, stop, _OUT)]
                    if names and tensors:
                        found[names[0]] = tensors[0]
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{file.name} is not an ONNX model", where=str(file), why=str(error)) from None
    return found


def _model(data: mmap.mmap) -> Signature:
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    operators: Counter[str] = Counter()
    weights: set[str] = set()
    for start, end in _inside(data, 0, len(data), _GRAPH):
        for number, begin, stop in _fields(data, start, end):
            if number == _NODE:
                operators.update(_text(data, b, e) for b, e in _inside(data, begin, stop, _OP_TYPE))
            elif number == _INITIALIZER:
                weights.update(_text(data, b, e) for b, e in _inside(data, begin, stop, _TENSOR_NAME))
            elif number in (_INPUT, _OUTPUT):
                (inputs if number == _INPUT else outputs).append(_tensor(data, begin, stop))
    fed = tuple(tensor for tensor in inputs if tensor.name not in weights)
    return Signature(fed, tuple(outputs), dict(sorted(operators.items())))


def _tensor(data: mmap.mmap, start: int, end: int) -> Tensor:
    """A ValueInfoProto: name 1, type 2; in it tensor_type 1: elem_type 1, shape 2; in that dim 1."""
    name, shape, kind = "", [], 1
    for number, begin, stop in _fields(data, start, end):
        if number == 1:
            name = _text(data, begin, stop)
        elif number == 2:
            for b, e in _inside(data, begin, stop, 1):
                for field, first, last in _fields(data, b, e):
                    if field == 1:
                        kind = first
                    elif field == 2:
                        shape = [_size(data, *dim) for dim in _inside(data, first, last, 1)]
    return Tensor(name, tuple(shape), _DTYPES.get(kind, "unknown"))


def _size(data: mmap.mmap, start: int, end: int) -> int:
    """A dimension's value; 0 where it has a name instead, or nothing."""
    return next((begin for number, begin, _ in _fields(data, start, end) if number == 1), 0)


def _text(data: mmap.mmap, start: int, end: int) -> str:
    return data[start:end].decode("utf-8")


def _inside(data: mmap.mmap, start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    return ((begin, stop) for found, begin, stop in _fields(data, start, end) if found == number)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number and extent of each field; of a varint its value, twice. Raises ValueError where cut off."""
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at, end)
            yield number, value, value
            continue
        if wire == 2:
            size, at = _varint(data, at, end)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"an unknown wire type at byte {at}")
        if at + size > end:
            raise ValueError(f"it is cut off at byte {at}")
        if wire == 2:
            yield number, at, at + size
        at += size


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return value, at
    raise ValueError(f"it is cut off at byte {at}")
