"""One model cut into two at a tensor: what comes before it, and the rest."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import onnx
from edgepack_recipe import Refused
from graph import constants, shown
from samples import Reference, difference, session

PARTS = ("before", "after")


@dataclass(frozen=True)
class Cut:
    """The nodes of both sides by their number, and the tensors that go from the one to the other."""

    before: frozenset[int]
    crossing: tuple[str, ...]


def split(model: onnx.ModelProto, at: str, part: str) -> tuple[onnx.ModelProto, dict[str, Any], list[str]]:
    """One of the two models, what was done, and warnings. ``before`` is all that the tensor depends on.

    Every tensor that is made before and used after is an output of the one and an input of the other, ``at``
    being the first. Shapes have to be inferred already. Both are computed one after the other and compared
    with the whole. Raises Refused where the tensor does not separate the model.
    """
    if part not in PARTS:
        what = f"split.part is {shown(str(part))}"
        raise Refused("converter-failed", what, fix="it is `before` or `after`")
    _look(model, at)
    cut = find(model, at)
    first, second = halves(model, cut)
    _compare(model, first, second)
    warnings = []
    if len(cut.crossing) > 1:
        others = ", ".join(shown(name) for name in cut.crossing[1:])
        warnings.append(f"split at {shown(at)}: {others} also cross from the first part to the second")
    change = {"did": "split", "at": at, "part": part, "crossing": list(cut.crossing)}
    return (first if part == "before" else second), change, warnings


def _look(model: onnx.ModelProto, at: str) -> None:
    graph = model.graph
    made = [name for node in graph.node for name in node.output if name]
    if at in made and at not in constants(graph):
        return
    near = difflib.get_close_matches(at, made, 3, 0.5)
    what = f"the model cannot be split at {shown(str(at))}"
    if at in {i.name for i in graph.input}:
        raise Refused("converter-failed", what, "it is an input: nothing comes before it")
    if at in constants(graph):
        raise Refused("converter-failed", what, "it is a weight, which does not depend on the input")
    fix = f"near it: {', '.join(shown(n) for n in near)}" if near else "see the tensors in the report"
    raise Refused("converter-failed", what, "no node of the model makes it", fix)


def find(model: onnx.ModelProto, at: str) -> Cut:
    """Raises Refused where one side would be empty, or the second needs the model's own inputs."""
    graph = model.graph
    maker = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    alive = depending_on_inputs(graph)
    before: set[int] = set()
    waiting = [at]
    while waiting:
        number = maker.get(waiting.pop())
        if number is not None and number not in before:
            before.add(number)
            waiting.extend(used(graph.node[number]))
    after = [n for n in range(len(graph.node)) if n not in before]
    used_after = {name for n in after for name in used(graph.node[n])}
    computed_before = {name for n in before for name in graph.node[n].output if name in alive}
    crossing = [at, *sorted((used_after & computed_before) - {at}, key=lambda name: maker[name])]
    what = f"the model cannot be split at {shown(at)}"
    if not any(name in alive for n in after for name in graph.node[n].output):
        raise Refused("converter-failed", what, "nothing comes after it")
    if at not in used_after:
        raise Refused("converter-failed", what, "it is an output: no node after it uses it")
    own = [i.name for i in graph.input if i.name in used_after]
    if own:
        why = f"what comes after it also needs the input {shown(own[0])} itself"
        raise Refused("converter-failed", what, why, "name a tensor further on, where the branches have met")
    return Cut(frozenset(before), tuple(crossing))


def halves(model: onnx.ModelProto, cut: Cut) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Both models. Outputs of the whole that are made before stay the first one's."""
    graph = model.graph
    own = [o.name for o in graph.output]
    made_before = {name for n in cut.before for name in graph.node[n].output}
    first_outputs = [*cut.crossing, *(n for n in own if n in made_before and n not in cut.crossing)]
    extract = onnx.utils.Extractor(model).extract_model
    first = extract([i.name for i in graph.input], first_outputs)
    second = extract(list(cut.crossing), [name for name in own if name not in made_before])
    return first, second


def _compare(whole: onnx.ModelProto, first: onnx.ModelProto, second: onnx.ModelProto) -> None:
    reference = Reference.of(whole)
    running = session(first.SerializeToString()), session(second.SerializeToString())
    names = [[o.name for o in s.get_outputs()] for s in running]
    for feeds, wanted in zip(reference.feeds, reference.wanted, strict=True):
        given = dict(zip(names[0], running[0].run(names[0], feeds), strict=True))
        rest = {i.name: given[i.name] for i in running[1].get_inputs()}
        given.update(zip(names[1], running[1].run(names[1], rest), strict=True))
        for name, value in zip(reference.names, wanted, strict=True):
            wrong = difference(given[name], value)
            if wrong:
                what = "the two parts do not compute what the whole does"
                raise Refused("parity", what, f"{shown(name)}: {wrong}")


def depending_on_inputs(graph: onnx.GraphProto) -> set[str]:
    alive = {i.name for i in graph.input}
    for node in graph.node:
        if alive.intersection(used(node)):
            alive.update(name for name in node.output if name)
    return alive


def used(node: onnx.NodeProto) -> list[str]:
    """Tensors that a node takes, those of inner graphs with it."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            names.extend(name for each in inner.node for name in used(each))
    return names
