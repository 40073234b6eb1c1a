"""The prepared model as far as this recipe needs it: what ncnn cannot take, and its spellings for pnnx."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from edgepack_recipe import Refused
from google.protobuf.message import DecodeError

OWN = ("", "ai.onnx")
FLOAT = onnx.TensorProto.FLOAT


@dataclass(frozen=True)
class Facts:
    """inputs: as in the report; nodes: operator → the names of its nodes; spellings: files to try in turn."""

    inputs: list[dict[str, Any]]
    nodes: dict[str, list[str]]
    spellings: list[Path]

    @property
    def operators(self) -> dict[str, int]:
        return {op: len(names) for op, names in self.nodes.items()}


def read(file: Path, work: Path) -> Facts:
    """Raises Refused for what is not ONNX, and for inputs and outputs that ncnn does not have."""
    try:
        model = onnx.load(file)
    except (OSError, DecodeError) as wrong:
        what = f"{file.name} is not an ONNX file"
        fix = "this recipe takes what recipes/onnx writes"
        raise Refused("not-a-model", what, fix=fix, detail=str(wrong)) from None
    inputs = [{"name": f"in{i}", **check_input(value)} for i, value in enumerate(model.graph.input)]
    for value in model.graph.output:
        check_output(value)
    found: dict[str, list[str]] = {}
    for node in _nodes(model.graph):
        found.setdefault(node.op_type, []).append(node.name or (node.output[0] if node.output else ""))
    return Facts(inputs, dict(sorted(found.items())), write_spellings(model, work))


def check_input(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """Float32 of fixed shape, batch 1 and two to five dimensions: ``{tensor, shape, dtype, layout}``."""
    tensor = value.type.tensor_type
    sizes = [d.dim_value for d in tensor.shape.dim]
    if tensor.elem_type != FLOAT:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        what = f"the input {value.name} is {kind}; ncnn takes float"
        raise Refused("unsupported-input", what, fix="cast inside `pre`, and export with a float input")
    if not 2 <= len(sizes) <= 5 or sizes[0] != 1 or min(sizes) < 1:
        what = f"the input {value.name} {sizes} is not a batch of 1 with one to four more dimensions"
        fix = "export with a fixed shape and a batch of 1, or use ONNX Runtime"
        raise Refused("unsupported-input", what, "ncnn computes one sample of up to four dimensions", fix)
    layout = {4: "NCHW", 5: "NCDHW"}.get(len(sizes), "")
    return {"tensor": value.name, "shape": sizes, "dtype": "float32", "layout": layout}


def check_output(value: onnx.ValueInfoProto) -> None:
    """ncnn gives float32 back."""
    kind = value.type.tensor_type.elem_type
    if kind != FLOAT:
        raise Refused(
            "unsupported-input",
            f"the output {value.name} is {onnx.TensorProto.DataType.Name(kind).lower()}; ncnn gives float",
            fix="export without the last operators (ArgMax, NonMaxSuppression, …) and do them in `post`",
        )


def write_spellings(model: onnx.ModelProto, work: Path) -> list[Path]:
    """The model without and with attributes at their defaults; one where that is the same."""
    plain = model.SerializeToString(deterministic=True)
    opset = max(o.version for o in model.opset_import if o.domain in OWN)
    for node in _nodes(model.graph):
        if node.domain in OWN:
            _strip_defaults(node, opset)
    stripped = model.SerializeToString(deterministic=True)
    written = {"stripped.onnx": stripped, "plain.onnx": plain}
    if stripped == plain:
        del written["stripped.onnx"]
    for name, data in written.items():
        (work / name).write_bytes(data)
    return [work / name for name in written]


def _strip_defaults(node: onnx.NodeProto, opset: int) -> None:
    defaults = onnx.defs.get_schema(node.op_type, opset, "").attributes
    kept = []
    for attribute in node.attribute:
        known = defaults.get(attribute.name)
        implied = known is not None and _same_value(known.default_value, attribute)
        if attribute.name == "dilations":  # ONNX gives its default in words only
            implied = all(i == 1 for i in attribute.ints)
        if not implied:
            kept.append(attribute)
    del node.attribute[:]
    node.attribute.extend(kept)


def _same_value(one: onnx.AttributeProto | None, other: onnx.AttributeProto) -> bool:
    if one is None or one.type != other.type:
        return False
    value = onnx.helper.get_attribute_value
    return bool(value(one) == value(other))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
