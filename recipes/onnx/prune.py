"""Magnitude pruning: the smallest weights of each layer become 0, and what that saves."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import onnx
from edgepack_recipe import Refused
from graph import WEIGHTED, constants, shown

MOST_LAYERS = 500


def prune(model: onnx.ModelProto, share: float) -> dict[str, Any]:
    """Set the ``share`` of each layer's weights that are nearest to 0 to 0, in place: in Conv, ConvTranspose,
    Gemm and MatMul, layer by layer, since layers differ in scale; no biases.

    Returns ``{weights, zeros, zeros_before, gzip: [bytes before, bytes after], layers}``. The file's own size
    stays: a zero takes as much room as any number until it is compressed. Raises Refused.
    """
    if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 < share < 1:
        what = f"prune.magnitude is {shown(str(share))}, and has to lie between 0 and 1"
        raise Refused("converter-failed", what, fix="0.3 sets the smallest 30 % of each layer's weights to 0")
    held = constants(model.graph)
    used = {n.input[1]: n for n in model.graph.node if n.op_type in WEIGHTED and len(n.input) > 1}
    layers = []
    before = _compressed(model)
    zeros_before = 0
    for name, node in used.items():
        tensor = held.get(name)
        if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        zeros_before += int((values == 0).sum())
        pruned = smallest_to_zero(values, share)
        tensor.CopyFrom(onnx.numpy_helper.from_array(pruned, tensor.name))
        layers.append({"node": shown(node.name), "weights": values.size, "zeros": int((pruned == 0).sum())})
    if not layers:
        what = "nothing can be pruned"
        raise Refused(
            "converter-failed", what, "no layer of the model has float32 weights", "leave prune out"
        )
    return {
        "did": "pruned",
        "magnitude": share,
        "weights": sum(layer["weights"] for layer in layers),
        "zeros": sum(layer["zeros"] for layer in layers),
        "zeros_before": zeros_before,
        "gzip": [before, _compressed(model)],
        "layers": layers[:MOST_LAYERS],
    }


def smallest_to_zero(values: np.ndarray, share: float) -> np.ndarray:
    """A copy in which ⌊share · size⌋ values, the smallest by magnitude, are 0."""
    count = int(share * values.size)
    flat = values.flatten()
    if count:
        flat[np.argpartition(np.abs(flat), count - 1)[:count]] = 0
    return flat.reshape(values.shape)


def _compressed(model: onnx.ModelProto) -> int:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: with gzip's header
    return len(packer.compress(model.SerializeToString(deterministic=True))) + len(packer.flush())
