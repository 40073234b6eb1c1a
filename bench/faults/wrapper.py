"""Stands in a recipe's place as ``convert.py``: the honest one, on a model with a fault from ``fault.json``.

Runs in the recipe's own environment, so it leans on nothing of edgepack's but the kit. The fault is in what
is converted and not in what it is held to, as where a tool drops a layer or exchanges outputs.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import honest
import onnx
from edgepack_recipe import Request
from onnx import numpy_helper


def convert(request: Request) -> dict[str, Any]:
    """What the honest recipe says."""
    fault = json.loads(Path(__file__).with_name("fault.json").read_text())
    model = onnx.load(str(request.model))
    {"zero": zero, "outputs": outputs}[fault["kind"]](model, fault)
    changed = request.work / "faulty.onnx"
    onnx.save(model, str(changed))
    return dict(honest.convert(dataclasses.replace(request, model=changed)))


def zero(model: onnx.ModelProto, fault: dict[str, Any]) -> None:
    """All weights of one weighted layer, drawn by ``at`` (0..1), become zero."""
    weights = {w.name: w for w in model.graph.initializer}
    layers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm") and n.input[1] in weights]
    weight = weights[layers[int(fault["at"] * len(layers))].input[1]]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 0, weight.name))


def outputs(model: onnx.ModelProto, fault: dict[str, Any]) -> None:
    """Two outputs exchange their names, everywhere in the graph."""
    names = [output.name for output in model.graph.output]
    first = int(fault["at"] * len(names))
    swap = {names[first]: names[first - 1], names[first - 1]: names[first]}
    for node in model.graph.node:
        for field in (node.input, node.output):
            field[:] = [swap.get(name, name) for name in field]
    for value in (*model.graph.output, *model.graph.value_info):
        value.name = swap.get(value.name, value.name)
    found = {output.name: output for output in model.graph.output}
    ordered = [onnx.ValueInfoProto.FromString(found[name].SerializeToString()) for name in names]
    del model.graph.output[:]
    model.graph.output.extend(ordered)
