"""The small project's network as a TFLite file, channels last, written field by field.

After TensorFlow Lite's schema, version 3 (tensorflow/lite/schema/schema.fbs): tables' fields by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import number_types

from tests.compile import program_project as tiny

_FLOAT32, _FLOAT16, _INT32 = 0, 1, 2  # TensorType
_CONV_2D, _FULLY_CONNECTED, _RESHAPE, _CAST = 3, 9, 22, 53  # BuiltinOperator
_CONV_2D_OPTIONS, _FULLY_CONNECTED_OPTIONS, _CAST_OPTIONS = 1, 8, 37  # BuiltinOptions
_VALID = 1  # Padding


class _File:
    def __init__(self) -> None:
        self.b = flatbuffers.Builder(4096)
        self.buffers = [self.table([])]  # the first is the empty one
        self.tensors: list[int] = []

    def table(self, fields: Sequence[tuple[int, str, Any]]) -> int:
        """fields: number, kind (``ref``, ``u32``, ``i32``, ``i8``), value."""
        self.b.StartObject(16)
        for slot, kind, value in fields:
            if kind == "ref":
                self.b.PrependUOffsetTRelativeSlot(slot, value, 0)
            elif kind == "i8":
                self.b.PrependInt8Slot(slot, value, 0)
            elif kind == "i32":
                self.b.PrependInt32Slot(slot, value, 0)
            else:
                self.b.PrependUint32Slot(slot, value, 0)
        return int(self.b.EndObject())

    def refs(self, values: Sequence[int]) -> int:
        self.b.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.b.PrependUOffsetTRelative(value)
        return int(self.b.EndVector())

    def ints(self, values: Sequence[int]) -> int:
        return int(self.b.CreateNumpyVector(np.array(values, np.int32)))

    def tensor(self, name: str, shape: Sequence[int], kind: int, values: Any = None) -> int:
        buffer = 0
        if values is not None:
            self.b.StartVector(1, values.nbytes, 16)
            for byte in reversed(values.tobytes()):
                self.b.Prepend(number_types.Uint8Flags, byte)
            self.buffers.append(self.table([(0, "ref", self.b.EndVector())]))
            buffer = len(self.buffers) - 1
        sizes, text = self.ints(shape), self.b.CreateString(name)
        fields = [(0, "ref", sizes), (1, "i8", kind), (2, "u32", buffer), (3, "ref", text)]
        self.tensors.append(self.table(fields))
        return len(self.tensors) - 1

    def operator(self, code: int, inputs: Sequence[int], output: int, options: tuple[int, int] | None) -> int:
        taken, given = self.ints(inputs), self.ints([output])
        fields: list[tuple[int, str, Any]] = [(0, "u32", code), (1, "ref", taken), (2, "ref", given)]
        if options is not None:
            fields += [(3, "i8", options[0]), (4, "ref", options[1])]
        return self.table(fields)

    def named(self, name: str, tensor: int) -> int:
        return self.table([(0, "ref", self.b.CreateString(name)), (1, "u32", tensor)])


def write(
    model: Path, *, image: str = "image", logits: str = "logits", half: bool = False, batch: int = 1
) -> None:
    """``model.tflite``; ``heat`` is (batch, 3, 3, 2). half: takes float16."""
    known, f = tiny.weights(), _File()
    given = f.tensor("given", (batch, 4, 4, 1), _FLOAT16 if half else _FLOAT32)
    floats = f.tensor("floats", (batch, 4, 4, 1), _FLOAT32) if half else given
    kernel = f.tensor("kernel", (2, 2, 2, 1), _FLOAT32, known.kernel[:, :, :, None].copy())
    kernel_bias = f.tensor("kernel_bias", (2,), _FLOAT32, known.kernel_bias)
    heat = f.tensor("warm", (batch, 3, 3, 2), _FLOAT32)
    shape = f.tensor("shape", (2,), _INT32, np.array([batch, 18], np.int32))
    flat = f.tensor("flat", (batch, 18), _FLOAT32)
    moved = known.full.reshape(3, 2, 3, 3).transpose(0, 2, 3, 1).reshape(3, 18).copy()
    full = f.tensor("full", (3, 18), _FLOAT32, moved)
    full_bias = f.tensor("full_bias", (3,), _FLOAT32, known.full_bias)
    scores = f.tensor("scores", (batch, 3), _FLOAT32)
    conv = f.table([(0, "i8", _VALID), (1, "i32", 1), (2, "i32", 1), (4, "i32", 1), (5, "i32", 1)])
    cast = [f.operator(3, [given], floats, (_CAST_OPTIONS, f.table([])))] if half else []
    operators = [
        *cast,
        f.operator(0, [floats, kernel, kernel_bias], heat, (_CONV_2D_OPTIONS, conv)),
        f.operator(1, [heat, shape], flat, None),
        f.operator(2, [flat, full, full_bias], scores, (_FULLY_CONNECTED_OPTIONS, f.table([]))),
    ]
    graph = [
        (0, "ref", f.refs(f.tensors)),
        (1, "ref", f.ints([given])),
        (2, "ref", f.ints([scores, heat])),
        (3, "ref", f.refs(operators)),
    ]
    graphs = f.refs([f.table(graph)])
    codes = f.refs(
        [
            f.table([(0, "i8", code), (2, "i32", 1), (3, "i32", code)])
            for code in (_CONV_2D, _RESHAPE, _FULLY_CONNECTED, _CAST)
        ]
    )
    signature = [
        (0, "ref", f.refs([f.named(image, given)])),
        (1, "ref", f.refs([f.named("heat", heat), f.named(logits, scores)])),
        (2, "ref", f.b.CreateString("serving_default")),
    ]
    signatures, buffers = f.refs([f.table(signature)]), f.refs(f.buffers)
    whole = [
        (0, "u32", 3),
        (1, "ref", codes),
        (2, "ref", graphs),
        (4, "ref", buffers),
        (7, "ref", signatures),
    ]
    f.b.Finish(f.table(whole), file_identifier=b"TFL3")
    (model / "model.tflite").write_bytes(bytes(f.b.Output()))
