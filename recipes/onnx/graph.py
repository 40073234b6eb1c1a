"""Words about an ONNX graph that all of this recipe's programs share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from google.protobuf.message import Message

OWN = ("", "ai.onnx")  # the two spellings of ONNX's own domain
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators; 0 where the model names none."""
    return max((o.version for o in model.opset_import if o.domain in OWN), default=0)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those in inner graphs (If, Loop, Scan) after the one that holds them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """All tensors wherever they are: weights, sparse ones, attributes, functions, inner graphs."""
    for _, value in message.ListFields():
        for item in value if _repeated(value) else [value]:
            if isinstance(item, onnx.TensorProto):
                yield item
            elif isinstance(item, Message):
                yield from tensors(item)
            else:
                break


def _repeated(value: object) -> bool:
    return not isinstance(value, (Message, str, bytes, int, float))


def by_operator(model: onnx.ModelProto) -> dict[str, list[str]]:
    """Operator → the names of its nodes, in the model's order."""
    found: dict[str, list[str]] = {}
    for node in nodes(model.graph):
        found.setdefault(shown(node.op_type), []).append(node_name(node))
    return dict(sorted(found.items()))


def node_name(node: onnx.NodeProto) -> str:
    """Its name, else its first output's."""
    return shown(node.name or (node.output[0] if node.output else "") or "without a name")


def shown(text: str) -> str:
    """A model's own words, safe on a terminal and short."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])


def constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Tensors whose values are in the file: initializers, and what Constant nodes hold."""
    found = {w.name: w for w in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return found


def shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """Tensor → its shape, for all whose shape is known and static. Weights too."""
    found = {w.name: list(w.dims) for w in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        known = value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape")
        if known and all(d.HasField("dim_value") for d in dims):
            found[value.name] = [d.dim_value for d in dims]
    for name, tensor in constants(graph).items():
        found.setdefault(name, list(tensor.dims))
    return found


def dtype(value: onnx.ValueInfoProto) -> str:
    """``float32``, ``int64`` …; ONNX's own word where NumPy has none."""
    kind = value.type.tensor_type.elem_type
    try:
        return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name)
    except (KeyError, TypeError, ValueError):
        return str(onnx.TensorProto.DataType.Name(kind)).lower()
