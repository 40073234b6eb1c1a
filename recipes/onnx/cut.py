"""One model cut short: all that its first nodes make and anything else needs becomes its outputs.

Asked without options: ``cuts``, the places where it can be. With the ``tensors`` of one of them: the model
that ends there, as ``model.onnx``.

The nodes of an ONNX graph are in an order in which each comes after what it needs. A cut is after the first k
of them, and its tensors are *all* that they make and that a later node or the user takes, on every branch. So
between two neighbouring cuts lie a few nodes and nothing else: whatever these take is among the first cut's
tensors, whatever they make among the second's. Where the first is right and the second is not, on any number
of branches, it is these nodes. A dominator would be one tensor, and would say nothing of which branch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import onnx
from edgepack_recipe import Refused, Request
from graph import WEIGHTED, constants, node_name, shapes, shown
from split import depending_on_inputs, used

# What toolkits compute together with the layer before it: cut between the two, they would compute another
# thing than what is looked into.
TAKEN_IN = {
    *("BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish"),
    *("Tanh", "Elu", "Gelu", "Mish"),
}
GATES = {"Sigmoid", "HardSigmoid", "Tanh"}
FILE = "model.onnx"


@dataclass(frozen=True)
class Place:
    """A cut. tensors: its outputs, in the model's order; layers: the nodes since the cut before it; node, op:
    the one of them that it is called by."""

    tensors: tuple[str, ...]
    layers: tuple[str, ...]
    node: str
    op: str


def cut(request: Request) -> dict[str, Any]:
    """``cuts``, or ``nodes``, the names of the nodes in the model that is written. Raises Refused."""
    model = onnx.load(str(request.model))
    asked = request.options
    if "tensors" not in asked:
        found = [asdict(place) for place in places(model)]
        (request.out / "cuts.json").write_text(json.dumps(found) + "\n")
        return {"files": ["cuts.json"], "cuts": found}
    short = shortened(model, list(asked["tensors"]))
    onnx.save(short, str(request.out / FILE))
    return {"files": [FILE], "nodes": [node.name for node in short.graph.node if node.name]}


def places(model: onnx.ModelProto) -> list[Place]:
    """Where the model can be cut, in order; the last is the whole model, whatever its outputs are."""
    graph = model.graph
    alive, known = depending_on_inputs(graph), _comparable(graph)
    last_use = _last_uses(graph)
    taken_in = _taken_in(graph)
    needed: dict[str, int] = {}  # made by now, and the last that uses it
    found: list[Place] = []
    since = 0
    for number, node in enumerate(graph.node):
        for name in node.output:
            if name in alive and name in last_use:
                needed[name] = last_use[name]
        needed = {name: last for name, last in needed.items() if last > number}
        whole = number + 1 == len(graph.node)
        possible = needed and needed.keys() <= known and not needed.keys() & taken_in
        if not whole and (not possible or (found and tuple(needed) == found[-1].tensors)):
            continue
        tensors = tuple(o.name for o in graph.output) if whole else tuple(needed)
        nodes = [n for n in graph.node[since : number + 1] if any(name in alive for name in n.output)]
        found.append(_place(tensors, nodes or [node]))
        since = number + 1
    return found


def _place(tensors: tuple[str, ...], since: list[onnx.NodeProto]) -> Place:
    weighted = [node for node in since if node.op_type in WEIGHTED]
    called = weighted[-1] if weighted else since[-1]
    layers = tuple(node_name(node) for node in since)
    return Place(tensors, layers, node_name(called), shown(called.op_type))


def shortened(model: onnx.ModelProto, tensors: list[str]) -> onnx.ModelProto:
    """What these tensors need and no more; they are its outputs. Raises Refused where one is not there."""
    there = {name for node in model.graph.node for name in node.output}
    for name in tensors:
        if name not in there:
            raise Refused("converter-failed", f"no node of the model makes {shown(str(name))}")
    extract = onnx.utils.Extractor(model).extract_model
    short = extract([i.name for i in model.graph.input], tensors)
    used_now = {name for node in short.graph.node for name in used(node)}
    inputs = [i for i in short.graph.input if i.name in used_now]
    del short.graph.input[:]
    short.graph.input.extend(inputs)
    return short


def _comparable(graph: onnx.GraphProto) -> set[str]:
    """Floats of a known shape: what a toolkit gives as an output, and what a cosine says something of."""
    known = shapes(graph)
    values = (*graph.value_info, *graph.output)
    floats = {v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    held = constants(graph)
    return {name for name in floats if name in known and name not in held}


def _last_uses(graph: onnx.GraphProto) -> dict[str, int]:
    """Tensor → the number of the last node that takes it; an output of the model is needed to the end."""
    found = {name: number for number, node in enumerate(graph.node) for name in used(node)}
    return {**found, **{o.name: len(graph.node) for o in graph.output}}


def _taken_in(graph: onnx.GraphProto) -> set[str]:
    """Tensors that a layer with weights hands to one activation or norm, and to nothing else."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in used(node):
            users.setdefault(name, []).append(node)
    outputs = {o.name for o in graph.output}
    found = {name: users.get(name, []) for name in _of_layers(graph) if name not in outputs}
    return {name for name, after in found.items() if _one_activation(name, after)}


def _one_activation(name: str, after: list[onnx.NodeProto]) -> bool:
    """One node, or the two that ONNX has for SiLU and its like: a gate of x, and the product of both."""
    if len(after) == 2 and after[0].op_type in GATES and after[1].op_type == "Mul":
        return set(after[1].input) == {name, after[0].output[0]}
    return len(after) == 1 and after[0].op_type in TAKEN_IN


def _of_layers(graph: onnx.GraphProto) -> Iterator[str]:
    """What layers with weights make, and norms that follow one."""
    made: set[str] = set()
    for node in graph.node:
        after = node.op_type == "BatchNormalization" and node.input[0] in made
        if node.op_type in WEIGHTED or after:
            made.update(node.output)
            yield from node.output
