"""The small project's network as OpenVINO IR 11, written by hand: layers in order, edges between their ports.

After OpenVINO's documentation, "OpenVINO IR format" and "Operation Sets" (opset1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.compile import program_project as tiny

_KINDS = {"float32": ("f32", "FP32"), "float16": ("f16", "FP16"), "int64": ("i64", "I64")}


class _Net:
    def __init__(self) -> None:
        self.layers: list[str] = []
        self.edges: list[str] = []
        self.weights = b""
        self.shapes: list[tuple[tuple[int, ...], str]] = []
        self.outs: list[int] = []

    def add(
        self, kind: str, data: str, inputs: list[int], out: tuple[tuple[int, ...], str], name: str = ""
    ) -> int:
        number = len(self.layers)
        for port, source in enumerate(inputs):
            self.edges.append(
                f'<edge from-layer="{source}" from-port="{self.outs[source]}" '
                f'to-layer="{number}" to-port="{port}"/>'
            )
        taken = "".join(_port(i, *self.shapes[source]) for i, source in enumerate(inputs))
        given = _port(len(inputs), *out, name) if kind != "Result" else ""
        self.layers.append(
            f'<layer id="{number}" name="{name or f"{kind}_{number}"}" type="{kind}" version="opset1">'
            f"{f'<data {data}/>' if data else ''}{f'<input>{taken}</input>' if taken else ''}"
            f"{f'<output>{given}</output>' if given else ''}</layer>"
        )
        self.shapes.append(out)
        self.outs.append(len(inputs))
        return number

    def constant(self, values: Any) -> int:
        kind = str(values.dtype)
        raw = values.tobytes()
        shape = ", ".join(map(str, values.shape))
        data = (
            f'element_type="{_KINDS[kind][0]}" shape="{shape}" offset="{len(self.weights)}" size="{len(raw)}"'
        )
        self.weights += raw
        return self.add("Const", data, [], (values.shape, kind))


def _port(number: int, shape: tuple[int, ...], kind: str, name: str = "") -> str:
    dims = "".join(f"<dim>{axis}</dim>" for axis in shape)
    names = f' names="{name}"' if name else ""
    return f'<port id="{number}" precision="{_KINDS[kind][1]}"{names}>{dims}</port>'


def write(
    model: Path, *, image: str = "image", logits: str = "logits", kind: str = "float32", batch: int = 1
) -> None:
    """``model.xml`` and ``model.bin``. image, logits: names of tensors; kind: of the input's numbers."""
    known, net = tiny.weights(), _Net()
    float32 = "float32"
    given = net.add(
        "Parameter",
        f'shape="{batch},1,4,4" element_type="{_KINDS[kind][0]}"',
        [],
        ((batch, 1, 4, 4), kind),
        image,
    )
    if kind != float32:
        given = net.add("Convert", 'destination_type="f32"', [given], ((batch, 1, 4, 4), float32))
    kernel = net.constant(known.kernel[:, None])
    convolution = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
    heat = net.add("Convolution", convolution, [given, kernel], ((batch, 2, 3, 3), float32))
    bias = net.constant(known.kernel_bias.reshape(1, 2, 1, 1))
    heat = net.add("Add", 'auto_broadcast="numpy"', [heat, bias], ((batch, 2, 3, 3), float32), "heat")
    shape = net.constant(np.array([batch, 18], np.int64))
    flat = net.add("Reshape", 'special_zero="true"', [heat, shape], ((batch, 18), float32))
    full = net.constant(known.full)
    product = net.add("MatMul", 'transpose_a="false" transpose_b="true"', [flat, full], ((batch, 3), float32))
    bias = net.constant(known.full_bias.reshape(1, 3))
    scores = net.add("Add", 'auto_broadcast="numpy"', [product, bias], ((batch, 3), float32), logits)
    net.add("Result", "", [scores], ((batch, 3), float32))
    net.add("Result", "", [heat], ((batch, 2, 3, 3), float32))
    text = (
        '<?xml version="1.0"?><net name="tiny" version="11">'
        f"<layers>{''.join(net.layers)}</layers><edges>{''.join(net.edges)}</edges></net>\n"
    )
    (model / "model.xml").write_text(text)
    (model / "model.bin").write_bytes(net.weights)
