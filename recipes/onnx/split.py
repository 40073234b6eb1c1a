"""One model cut into two at a tensor: what comes before it, and the rest."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import onnx
from edgepack_recipe import Refused
from graph import constants, shapes, shown
from samples import Reference, difference, session

PARTS = ("before", "after")
LATER = "name a tensor that later layers use: between two layers, not at the end"


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
        told = f"split at {shown(at)}: {others} also cross from the first part to the second"
        single = near_cuts(model, at)
        places = "; one tensor alone crosses at " + " or ".join(map(shown, single)) if single else ""
        warnings.append(told + places)
    change = {
        "did": "split",
        "at": at,
        "part": part,
        "crossing": list(cut.crossing),
        "outputs": _outputs(model),
    }
    return (first if part == "before" else second), change, warnings


def _look(model: onnx.ModelProto, at: str) -> None:
    graph = model.graph
    made = [name for node in graph.node for name in node.output if name]
    if at in made and at not in constants(graph):
        return
    computed = [name for name in made if name not in constants(graph)]
    near = difflib.get_close_matches(at, computed, 3, 0.5)
    what = f"the model cannot be split at {shown(str(at))}"
    inputs = {i.name for i in graph.input}
    if at in inputs:
        users = [name for node in graph.node if at in used(node) for name in node.output if name]
        raise Refused(
            "converter-failed", what, "it is an input: nothing comes before it", _places(model, users)
        )
    if at in constants(graph):
        users = [name for node in graph.node if at in used(node) for name in node.output if name]
        why = "it is a weight, which does not depend on the input"
        raise Refused("converter-failed", what, why, _places(model, users))
    fix = (
        f"near it: {', '.join(shown(n) for n in near)}"
        if near
        else _places(model, computed[len(computed) // 2 :])
    )
    raise Refused("converter-failed", what, "no node of the model makes it", fix)


def _places(model: onnx.ModelProto, around: list[str]) -> str:
    """Where else to cut, in words; empty where there is no such place."""
    found = near_cuts(model, around[0], itself=True) if around else []
    return f"one tensor alone crosses at {' or '.join(map(shown, found))}" if found else ""


def near_cuts(model: onnx.ModelProto, at: str, *, itself: bool = False) -> list[str]:
    """The tensor nearest before ``at``, and the nearest after it, that separates the model alone."""
    fixed = constants(model.graph)
    made = [name for node in model.graph.node for name in node.output if name and name not in fixed]
    place = made.index(at)
    sides = (reversed(made[:place]), made[place if itself else place + 1 :])
    firsts = (next((n for n in side if _separates(model, n)), None) for side in sides)
    return [name for name in firsts if name]


def _separates(model: onnx.ModelProto, at: str) -> bool:
    try:
        return len(find(model, at).crossing) == 1
    except Refused:
        return False


def _outputs(model: onnx.ModelProto) -> list[dict[str, Any]]:
    """The whole model's outputs in its order: golden vectors speak of them, whatever part makes each."""
    known = shapes(model.graph)
    return [{"tensor": o.name, "shape": known.get(o.name, [])} for o in model.graph.output]


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
        raise Refused("converter-failed", what, "nothing comes after it", LATER)
    if at not in used_after:
        raise Refused("converter-failed", what, "it is an output: no node after it uses it", LATER)
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
