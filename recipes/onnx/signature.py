"""What goes into a model and what comes out: fixed shapes, batch 1, every tensor's shape known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from checking import FIXED_SHAPE, LARGEST_INPUT
from edgepack_recipe import Refused
from graph import dtype, shapes, shown
from samples import computed_shapes


def drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    """Old exporters list weights as inputs too."""
    weights = {w.name for w in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def fix_shapes(model: onnx.ModelProto, wanted: Mapping[str, Sequence[int]]) -> list[str]:
    """Inputs get the shapes that the user names, and a batch that was left open becomes 1: a box answers one
    sample at a time. What was known of the tensors behind them is forgotten where it was open. Raises
    Refused where a wanted shape is of no input, or contradicts it."""
    warnings = []
    unknown = set(wanted) - {i.name for i in model.graph.input}
    if unknown:
        names = ", ".join(shown(i.name) for i in model.graph.input)
        what = f"the model has no input {shown(sorted(unknown)[0])}, for which a shape is given"
        raise Refused("unsupported-input", what, f"its inputs are {names}", "correct the name under shapes")
    for value in model.graph.input:
        if value.name in wanted:
            _set_shape(value, wanted[value.name])
        dims = value.type.tensor_type.shape.dim
        if len(dims) > 1 and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
            warnings.append(f"{shown(value.name)}: the open batch dimension was fixed to 1")
    del model.graph.value_info[:]
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_param"):
                dim.Clear()
    return warnings


def _set_shape(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    dims = value.type.tensor_type.shape.dim
    said = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    if dims and (len(said) != len(shape) or any(n not in (0, m) for n, m in zip(said, shape, strict=True))):
        given = [d.dim_value or shown(d.dim_param) or "?" for d in dims]
        what = f"the input {shown(value.name)} cannot have the shape {list(shape)}"
        raise Refused("unsupported-input", what, f"the model says {given}", "correct it under shapes")
    del dims[:]
    for size in shape:
        dims.add().dim_value = int(size)


def describe_input(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """``{name, tensor, shape, dtype}`` of a tensor of fixed shape and batch 1. Raises Refused."""
    name, tensor = shown(value.name), value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        what = f"the input {name} is not a tensor"
        raise Refused("unsupported-input", what, "sequences and maps cannot be fed on a box", FIXED_SHAPE)
    dims = tensor.shape.dim
    shape = [d.dim_value if d.HasField("dim_value") else shown(d.dim_param) or "?" for d in dims]
    label = f"{name} [{', '.join(map(str, shape))}]"
    sizes = [d for d in shape if isinstance(d, int)]
    if len(sizes) < len(shape):
        what, why = f"the input {label} has a dynamic shape", "only the batch may be left open"
        known = ", ".join(str(size) if isinstance(size, int) else "…" for size in shape)
        fix = f"name it in edgepack.yaml, `model.shapes: {{{name}: [{known}]}}` with a number for each …; or "
        raise Refused("unsupported-input", what, why, fix + FIXED_SHAPE)
    if not sizes or sizes[0] != 1 or min(sizes) < 1:
        what, why = f"the input {label} is not a batch of 1", "a box computes one sample at a time"
        raise Refused("unsupported-input", what, why, FIXED_SHAPE)
    elements = 1
    for size in sizes:
        elements *= size
    if elements > LARGEST_INPUT:
        raise Refused("unsupported-input", f"the input {label} is larger than 1 GiB", fix=FIXED_SHAPE)
    return {"name": value.name, "tensor": value.name, "shape": sizes, "dtype": dtype(value)}


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shape of every tensor that ONNX's own inference finds."""
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def complete_shapes(model: onnx.ModelProto) -> list[str]:
    """Write down the shapes that inference does not see (behind a Reshape to computed sizes, say), as ONNX
    Runtime finds them on two samples; what differs between the two is named in a warning, since it depends
    on the values."""
    known = shapes(model.graph)
    made = [name for node in model.graph.node for name in node.output if name]
    missing = [name for name in made if name not in known]
    if not missing:
        return []
    found = computed_shapes(model, missing)
    outputs = {value.name: value for value in model.graph.output}
    infos = {value.name: value for value in model.graph.value_info}
    for name, (kind, shape) in found.items():
        fixed = onnx.helper.make_tensor_value_info(name, kind, shape)
        if name in outputs or name in infos:
            (outputs.get(name) or infos[name]).CopyFrom(fixed)
        else:
            model.graph.value_info.append(fixed)
    open_ones = [shown(name) for name in missing if name not in found]
    if not open_ones:
        return []
    return [
        f"tensors whose shape depends on the values: {', '.join(open_ones[:5])} ({len(open_ones)} in all)"
    ]
