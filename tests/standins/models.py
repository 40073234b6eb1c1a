"""Models for the stand-ins' tests, made of bytes: variants of LeNet, and a .tflite of one operator."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

LENET = Path(__file__).parents[2] / "examples/digits/model/lenet.onnx"
FLOAT32, INT8 = 0, 9  # TensorType of TFLite's schema
PROTOTXT = 'name: "net"\nlayer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv" {more} }}\n'
QUANTISED = PROTOTXT.format(more="blobs_dtype { type: DT_INT8 position: -7 scale: 1.1 }")


def with_operator(folder: Path, operator: bytes) -> Path:
    """LeNet with another four-letter operator where it has Relu."""
    data = LENET.read_bytes()
    field = b'"\x04Relu'  # NodeProto.op_type, four bytes
    assert field in data
    file = folder / "model.onnx"
    file.write_bytes(data.replace(field, b'"\x04' + operator))
    return file


def at_opset(model: Path, file: Path, newest: int) -> Path:
    """The same model, at most at that opset: what LeNet has is the same in all from 9 to 13."""
    data = model.read_bytes()
    field = b"\x0a\x00\x10\x0d"  # OperatorSetIdProto: domain "", version 13
    assert data.count(field) == 1
    file.write_bytes(data.replace(field, field[:3] + bytes([min(newest, 13)])))
    return file


def with_open_shape(folder: Path) -> Path:
    """LeNet whose input's height and width are not said."""
    data = LENET.read_bytes()
    dim = b"\x0a\x02\x08\x1c"  # TensorShapeProto.dim: dim_value 28
    assert data.count(dim) == 2
    file = folder / "model.onnx"
    file.write_bytes(data.replace(dim, b"\x0a\x02\x12\x00"))  # dim_param ""
    return file


class _Flatbuffer:
    """Writes tables parents first, as offsets point forward: https://flatbuffers.dev/internals/"""

    def __init__(self) -> None:
        self.data = bytearray(b"\0\0\0\0TFL3")

    def table(self, fields: dict[int, int]) -> tuple[int, dict[int, int]]:
        """fields: number → byte value, or -1 for an offset. Returns its place, and each field's."""
        slots, body = [0] * (max(fields, default=-1) + 1), bytearray(4)
        for number, value in fields.items():
            slots[number] = len(body)
            body += struct.pack("<i", max(value, 0))
        table = [4 + 2 * len(slots), len(body), *slots]
        start = len(self.data)
        self.data += struct.pack(f"<{len(table)}H", *table)
        self.data += b"\0" * (-len(self.data) % 4)
        place = len(self.data)
        body[:4] = struct.pack("<i", place - start)
        self.data += body
        return place, {number: place + slots[number] for number in fields}

    def point(self, slot: int, place: int) -> None:
        struct.pack_into("<I", self.data, slot, place - slot)

    def vector(self, slot: int, values: Sequence[int]) -> list[int]:
        """A vector of 32-bit values; returns the place of each."""
        self.point(slot, len(self.data))
        self.data += struct.pack(f"<I{len(values)}i", len(values), *values)
        return [len(self.data) - 4 * (len(values) - i) for i in range(len(values))]

    def tables(self, slot: int, fields: Sequence[dict[int, int]]) -> list[dict[int, int]]:
        made = []
        for item, each in zip(self.vector(slot, [0] * len(fields)), fields, strict=True):
            place, at = self.table(each)
            self.point(item, place)
            made.append(at)
        return made


def tflite(file: Path, kind: int = INT8, shape: Sequence[int] = (1, 28, 28, 1)) -> Path:
    """A model of one operator from tensor 0 to tensor 1."""
    made = _Flatbuffer()
    root, at = made.table({0: 3, 2: -1})
    made.point(0, root)
    graph = made.tables(at[2], [{0: -1, 1: -1, 2: -1, 3: -1}])[0]
    for tensor in made.tables(graph[0], [{0: -1, 1: kind}] * 2):
        made.vector(tensor[0], shape)
    made.vector(graph[1], [0])
    made.vector(graph[2], [1])
    operator = made.tables(graph[3], [{1: -1, 2: -1}])[0]
    made.vector(operator[1], [0])
    made.vector(operator[2], [1])
    file.write_bytes(made.data)
    return file
