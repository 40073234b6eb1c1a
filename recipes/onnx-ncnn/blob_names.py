"""Which of ncnn's blobs is which ONNX tensor, and which layer which node: shown by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from model_file import QUANTISABLE, Layer, weights
from numpy.typing import NDArray
from onnx import numpy_helper

Floats = NDArray[np.float32]
APART = {"fp32": 1e-3, "fp16": 2e-2}  # of |reference|max
PROBE = 64  # values that are looked at before all of them are
SAME_DIRECTION = 0.9999


def shown_equal(
    tensors: Sequence[Mapping[str, Floats]], blobs: Sequence[Mapping[str, Floats]], precision: str
) -> dict[str, dict[str, Any]]:
    """ONNX tensor → ``{blob, shape}``, where a blob holds the same numbers on all samples.

    The nearest blob counts. A tensor that is the same everywhere tells nothing, and is left out.
    """
    first_blobs = {name: value.ravel() for name, value in blobs[0].items()}
    by_size: dict[int, list[str]] = {}
    for name, value in first_blobs.items():
        by_size.setdefault(value.size, []).append(name)
    found = {}
    for tensor, value in tensors[0].items():
        near = [
            (apart, name)
            for name in by_size.get(value.size, [])
            if (apart := _apart(first_blobs[name], value.ravel())) <= APART[precision]
        ]
        if value.size < 2 or float(np.ptp(value)) == 0 or not near:
            continue
        name = min(near)[1]
        others = zip(blobs[1:], tensors[1:], strict=True)
        if all(_apart(b[name].ravel(), t[tensor].ravel()) <= APART[precision] for b, t in others):
            found[tensor] = {"blob": name, "shape": list(value.shape)}
    return found


def _apart(given: Floats, wanted: Floats) -> float:
    """The largest difference, relative to the largest value; the first of a few where that is too much."""
    bound = float(np.abs(wanted).max(initial=0)) or 1.0
    step = max(1, wanted.size // PROBE)
    probe = float(np.abs(given[::step] - wanted[::step]).max(initial=0)) / bound
    return probe if probe > max(APART.values()) else float(np.abs(given - wanted).max(initial=0)) / bound


def layers_of_nodes(
    model: onnx.ModelProto, layers: Sequence[Layer], parts: Sequence[bytes]
) -> dict[str, list[str]]:
    """ONNX node → the ncnn layers with its weights. Weights are compared an output channel at a time by their
    direction alone, since pnnx takes a batch norm into them, which scales each."""
    rows = {}
    for layer, part in zip(layers, parts, strict=True):
        if layer.type in QUANTISABLE:
            rows[layer.name] = _unit(weights(layer, part).matrix)
    held = {w.name: w for w in model.graph.initializer}
    held |= {
        n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant" and n.attribute
    }
    found: dict[str, list[str]] = {}
    for node in model.graph.node:
        tensor = held.get(node.input[1]) if len(node.input) > 1 else None
        matrix = _matrix(node, numpy_helper.to_array(tensor)) if tensor is not None else None
        if matrix is None:
            continue
        own = _unit(matrix)
        for name, row in rows.items():
            if row.shape == own.shape and bool((np.abs((row * own).sum(1)) >= SAME_DIRECTION).all()):
                found.setdefault(node.name, []).append(name)
    return found


def _matrix(node: onnx.NodeProto, weight: np.ndarray) -> np.ndarray | None:
    """A node's weights as ncnn has them: (outputs, the rest)."""
    if weight.dtype != np.float32:
        return None
    if node.op_type == "Conv":
        return weight.reshape(len(weight), -1)
    if node.op_type in ("Gemm", "MatMul") and weight.ndim == 2:
        turned = any(a.name == "transB" and a.i for a in node.attribute)
        return weight if turned else weight.T
    return None


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; one of zeros stays, and counts as the first direction."""
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    wide[lengths[:, 0] == 0, :1] = 1
    return wide / np.where(lengths == 0, 1, lengths)
