"""What a prepared model is made of, so that others can judge it without reading it."""

from __future__ import annotations

import math
from typing import Any

import onnx
from graph import OWN, WEIGHTED, by_operator, constants, dtype, node_name, nodes, opset, shapes, shown

MOST_NAMES, MOST_TENSORS, MOST_LAYERS = 200, 5000, 2000  # a report is read by people and kept for years


def facts(model: onnx.ModelProto) -> dict[str, Any]:
    """opset; operators: how many of each; nodes: their names, at most 200 of an operator; attributes: theirs,
    in the same order, with the `rank` of the first input; macs: multiply-adds of one inference; parameters:
    numbers in its weights; tensors: shapes by name, at most 5,000; weighted: each weighted layer with its own
    numbers, at most 2,000."""
    names = by_operator(model)
    known = shapes(model.graph)
    made = {name for node in model.graph.node for name in node.output} | {i.name for i in model.graph.input}
    weighted = weighted_layers(model, known)
    return {
        "opset": opset(model),
        "operators": {op: len(all_of) for op, all_of in names.items()},
        "nodes": {op: all_of[:MOST_NAMES] for op, all_of in names.items()},
        "attributes": attributes(model, known),
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


def attributes(model: onnx.ModelProto, known: dict[str, list[int]]) -> dict[str, list[dict[str, Any]]]:
    """Operator → what each of its nodes says in words and whole numbers, ONNX's defaults among them."""
    version = opset(model)
    found: dict[str, list[dict[str, Any]]] = {}
    for node in nodes(model.graph):
        said = found.setdefault(shown(node.op_type), [])
        if len(said) < MOST_NAMES:
            own = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute if a.type in _PLAIN}
            rank = {"rank": len(known[node.input[0]])} if node.input and node.input[0] in known else {}
            said.append({**defaults(node, version), **readable(own), **rank})
    return found


def defaults(node: onnx.NodeProto, version: int) -> dict[str, Any]:
    """Attributes of this operator that have a default, as ONNX's schema of that version has them."""
    if node.domain not in OWN or not onnx.defs.has(node.op_type):
        return {}
    try:
        schema = onnx.defs.get_schema(node.op_type, version, "")
    except onnx.defs.SchemaError:
        return {}
    values = [a.default_value for a in schema.attributes.values() if a.default_value.type in _PLAIN]
    return readable({value.name: onnx.helper.get_attribute_value(value) for value in values})


def readable(said: dict[str, Any]) -> dict[str, Any]:
    """Words as text; numbers as they are."""
    return {k: shown(v.decode("utf-8", "replace")) if isinstance(v, bytes) else v for k, v in said.items()}


_PLAIN = (onnx.AttributeProto.INT, onnx.AttributeProto.STRING)
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
