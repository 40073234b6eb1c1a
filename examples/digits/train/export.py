"""The trained layers as an ONNX file: opset 13, batch 1, the same bytes for the same weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from lenet import Conv, Dense, Flatten, Layer, Pool, Relu
from onnx import TensorProto, helper, numpy_helper


def to_onnx(layers: list[Layer]) -> bytes:
    """``image`` float32 (1, 1, 28, 28) to ``logits`` float32 (1, 10)."""
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    tensor = "image"
    for position, (name, layer) in enumerate(_named(layers)):
        out = "logits" if position == len(layers) - 1 else name
        inputs = [tensor]
        for kind, value in zip(("weight", "bias"), layer.weights, strict=False):
            inputs.append(f"{name}.{kind}")
            weights.append(numpy_helper.from_array(np.ascontiguousarray(value), inputs[-1]))
        nodes.append(_node(name, layer, inputs, out))
        tensor = out
    graph = helper.make_graph(
        nodes,
        "lenet5",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, producer_name="examples/digits", opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _named(layers: list[Layer]) -> Iterator[tuple[str, Layer]]:
    """conv1, relu1, pool1, conv2, …: a count per kind."""
    seen: dict[str, int] = {}
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] = seen.get(kind, 0) + 1
        yield f"{kind}{seen[kind]}", layer


def _node(name: str, layer: Layer, inputs: list[str], out: str) -> onnx.NodeProto:
    if isinstance(layer, Conv):
        pads, kernel = [layer.pad] * 4, [layer.k] * 2
        return helper.make_node("Conv", inputs, [out], name, kernel_shape=kernel, pads=pads)
    if isinstance(layer, Dense):
        return helper.make_node("Gemm", inputs, [out], name, transB=1)
    if isinstance(layer, Pool):
        return helper.make_node("MaxPool", inputs, [out], name, kernel_shape=[2, 2], strides=[2, 2])
    if isinstance(layer, Relu):
        return helper.make_node("Relu", inputs, [out], name)
    if isinstance(layer, Flatten):
        return helper.make_node("Flatten", inputs, [out], name, axis=1)
    raise TypeError(f"no ONNX operator known for {type(layer).__name__}")
