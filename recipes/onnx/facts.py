"""What a prepared model is made of, so that others can judge it without reading it."""

from __future__ import annotations

import math
from typing import Any

import onnx
from graph import WEIGHTED, by_operator, constants, dtype, node_name, opset, shapes

MOST_NAMES, MOST_TENSORS, MOST_LAYERS = 200, 5000, 2000  # a report is read by people and kept for years


def facts(model: onnx.ModelProto) -> dict[str, Any]:
    """opset; operators: how many of each; nodes: their names, at most 200 of an operator; macs: multiply-adds
    of one inference; parameters: numbers in its weights; tensors: shapes by name, at most 5,000; weighted:
    each weighted layer with its own numbers, at most 2,000."""
    names = by_operator(model)
    known = shapes(model.graph)
    made = {name for node in model.graph.node for name in node.output} | {i.name for i in model.graph.input}
    weighted = weighted_layers(model, known)
    return {
        "opset": opset(model),
        "operators": {op: len(all_of) for op, all_of in names.items()},
        "nodes": {op: all_of[:MOST_NAMES] for op, all_of in names.items()},
        "macs": sum(layer["macs"] for layer in weighted),
        "parameters": sum(
            math.prod(w.dims) for w in constants(model.graph).values() if w.data_type in _FLOATS
        ),
        "tensors": dict([(name, shape) for name, shape in known.items() if name in made][:MOST_TENSORS]),
        "weighted": weighted[:MOST_LAYERS],
        "outputs": [
            {"name": o.name, "tensor": o.name, "shape": known.get(o.name, []), "dtype": dtype(o)}
            for o in model.graph.output
        ],
    }


_FLOATS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.BFLOAT16,
)


def weighted_layers(model: onnx.ModelProto, known: dict[str, list[int]]) -> list[dict[str, Any]]:
    """Conv, ConvTranspose, Gemm and MatMul: ``{node, op, input, output, weight, macs, …}``."""
    found = []
    for node in model.graph.node:
        if node.op_type not in WEIGHTED:
            continue
        taken, weight, given = (known.get(name) for name in (*node.input[:2], node.output[0]))
        if taken is None or weight is None or given is None:
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        layer = {
            "node": node_name(node),
            "op": node.op_type,
            "input": taken,
            "output": given,
            "weight": weight,
            "macs": macs(node.op_type, taken, given, weight, attributes),
        }
        if node.op_type.startswith("Conv"):
            spatial = len(weight) - 2
            layer["strides"] = list(attributes.get("strides", [1] * spatial))
            layer["dilations"] = list(attributes.get("dilations", [1] * spatial))
            layer["group"] = int(attributes.get("group", 1))
        found.append(layer)
    return found


def macs(op: str, taken: list[int], given: list[int], weight: list[int], attributes: dict[str, Any]) -> int:
    """Multiply-adds of one inference, by each operator's definition in ONNX."""
    if op == "Conv":  # weight: out, in / group, kernel
        return math.prod(given) * math.prod(weight[1:])
    if op == "ConvTranspose":  # weight: in, out / group, kernel; each input value meets all of it
        return math.prod(taken) * math.prod(weight[1:])
    if op == "Gemm":
        return math.prod(given) * taken[0 if attributes.get("transA") else -1]
    return math.prod(given) * taken[-1]
