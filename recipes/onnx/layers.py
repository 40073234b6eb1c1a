"""Tensors inside both models, layer by layer: where the converted one first goes its own way.

Options: ``trained`` and ``converted``, ``.npz`` of outputs and taps on the same samples; ``inputs``, those
samples; ``least``, the cosine that an output must have. ``found``, where it is given: the tensor at fault, as
was found by cutting the model there, "" for none; each tensor is then held to its own namesake alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from edgepack_recipe import Request, tensors
from graph import WEIGHTED, constants, node_name, shown
from near import distance
from samples import session

TAP = "tap:"
SUSPECTS = 12  # each costs a run of the trained model


@dataclass(frozen=True)
class Both:
    """The trained model with what it and the converted one have inside; by tensor, (N, …)."""

    model: onnx.ModelProto
    feeds: Mapping[str, np.ndarray]
    trained: Mapping[str, np.ndarray]
    converted: Mapping[str, np.ndarray]
    cut: bool = False  # each tensor was an output, so no layer has taken in the one after it


def layers(request: Request) -> dict[str, Any]:
    """``layers``: rows in the model's order; ``first``: the number of the one at fault, or None."""
    options = request.options
    files = [tensors.load(Path(options[name])) for name in ("trained", "converted")]
    trained, converted = ({n.removeprefix(TAP): a for n, a in found.items()} for found in files)
    feeds = tensors.load(Path(options["inputs"]))
    found, least = options.get("found"), float(options["least"])
    both = Both(onnx.load(str(request.model)), feeds, trained, converted, cut=found is not None)
    rows = compare(both, least)
    named = first(both, rows, least) if found is None else _named(both, rows, str(found))
    (request.out / "layers.json").write_text("{}\n")
    return {"files": ["layers.json"], "layers": rows, "first": named}


def compare(both: Both, least: float) -> list[dict[str, Any]]:
    """A row a tensor that both have. fine: within the gate; fed: whether all that goes into it is."""
    graph = both.model.graph
    users = _users(graph)
    makers = {name: node for node in graph.node for name in node.output}
    state: dict[str, bool] = {i.name: True for i in graph.input} | dict.fromkeys(constants(graph), True)
    rows = []
    for node in graph.node:
        fed = all(state.get(name, True) for name in node.input if name)
        for name in node.output:
            if name not in both.converted or name not in both.trained:
                state[name] = fed  # unseen: as good as what goes into it
                continue
            row = _row(both, name, users)
            if row is None:
                state[name] = fed
                continue
            state[name] = row["cosine"] >= least
            layer = _layer(node, makers, both)
            rows.append({**row, "node": node_name(layer), "op": shown(layer.op_type), "fed": fed})
    return rows


def _layer(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto], both: Both) -> onnx.NodeProto:
    """The layer with weights that a tensor comes from, where the converted model shows nothing in between."""
    at = node
    while at.op_type not in WEIGHTED and at.input and at.input[0] not in both.converted:
        if at.input[0] not in makers:
            return node
        at = makers[at.input[0]]
    return at if at.op_type in WEIGHTED else node


def _row(both: Both, name: str, users: Mapping[str, Sequence[onnx.NodeProto]]) -> dict[str, Any] | None:
    """None where it has another size. A layer may have taken in the activation after it: then it is held to
    that."""
    given, wanted = both.converted[name], both.trained[name]
    if given.size != wanted.size or not len(given):
        return None
    found, held_to = distance(given, wanted), name
    after = users.get(name, ())
    if not both.cut and len(after) == 1 and len(after[0].output) == 1:
        taken_in = both.trained.get(after[0].output[0])
        if taken_in is not None and taken_in.size == given.size:
            other = distance(given, taken_in)
            if other["cosine"] > found["cosine"]:
                found, held_to = other, after[0].output[0]
    return {
        "tensor": name,
        "held_to": held_to,
        "cosine": found["cosine"],
        "max_abs": found["max_abs"],
        "max_reference": found["max_reference"],
        "constant": constant(given) and not constant(wanted),
        "zero": not given.any() and bool(wanted.any()),
    }


def constant(values: np.ndarray) -> bool:
    """Whether each channel has one value whatever the input and wherever in space: weights that are zero."""
    channels = values.reshape(len(values), values.shape[1] if values.ndim > 1 else 1, -1)
    if channels.shape[0] * channels.shape[2] < 2:
        return False
    lows, highs = channels.min((0, 2)), channels.max((0, 2))
    return bool((highs - lows <= 1e-6 * np.maximum(1, np.abs(highs))).all())


def first(both: Both, rows: Sequence[Mapping[str, Any]], least: float) -> dict[str, Any] | None:
    """The first layer that is off though its inputs are not, and that by itself takes the outputs off.

    It is put into the trained model in place of that model's own. Where none does it alone: the first.
    """
    suspects = [row for row in rows if row["fed"] and row["cosine"] < least][:SUSPECTS]
    for row in suspects:
        alone = put_in(both, str(row["tensor"]))
        if alone is not None and alone < least:
            return {**row, "alone": alone}
    return {**suspects[0], "alone": None} if suspects else None


def _named(both: Both, rows: Sequence[Mapping[str, Any]], found: str) -> dict[str, Any] | None:
    row = next((row for row in rows if row["tensor"] == found), None)
    return None if row is None else {**row, "alone": put_in(both, found)}


def put_in(both: Both, name: str) -> float | None:
    """The outputs' least cosine when the trained model gets this one tensor from the converted one."""
    outputs = [o.name for o in both.model.graph.output]
    if name in outputs:
        return distance(both.converted[name], both.trained[name])["cosine"]
    model = onnx.ModelProto()
    model.CopyFrom(both.model)
    for node in model.graph.node:
        if name in node.output:
            node.output[list(node.output).index(name)] = name + ":own"
    shape = [1, *both.trained[name].shape[1:]]
    model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    del model.graph.value_info[:]
    try:
        running = session(model.SerializeToString())
        given: list[Any] = []
        for number in range(len(both.converted[name])):
            value = both.converted[name][number].reshape(shape)
            feeds = {n: array[number : number + 1] for n, array in both.feeds.items()}
            given.append(running.run(outputs, {**feeds, name: value}))
    except Exception:  # noqa: BLE001 - a model that cannot be cut here is no finding
        return None
    found = [np.concatenate([np.atleast_1d(row[i]) for row in given]) for i in range(len(outputs))]
    return min(distance(f, both.trained[n])["cosine"] for f, n in zip(found, outputs, strict=True))


def _users(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found
