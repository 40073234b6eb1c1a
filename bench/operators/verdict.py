"""What the trials say of operators: which the toolkit has, which it lacks, and of which they say nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from bench.operators.cases import Case
from bench.operators.tried import Found, Way

HOW = {"refused": "refused", "crashed": "it crashes", "wrong": "it computes something else"}
ELSE = "write it with other operators, or cut the model before it and do the rest in `post`"
LATER = "leave it to `post`: cut the model before it"
INTEGERS = "give the model in floating point: edgepack quantises it"
FLAT = "use two dimensions, the height 1: Unsqueeze before it, Squeeze behind it"
STEPS = "write its steps out (MatMul, Sigmoid, Tanh), or split the model before it (`model.split`)"
AS_WAVES = "do it in `pre`, or write it as a Conv whose weights are sines and cosines"
FIXED = "export with fixed sizes, so that the exporter writes out what is computed"
FIXES = {
    "NonMaxSuppression": "export without it: the block `yolo` of `post` suppresses boxes",
    **dict.fromkeys(("TopK", "ArgMax", "ArgMin", "NonZero", "OneHot", "Hardmax"), LATER),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"), INTEGERS),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), STEPS),
    **dict.fromkeys(("STFT", "DFT"), AS_WAVES),
    **dict.fromkeys(("If", "Loop", "Scan"), FIXED),
    "LayerNormalization": "export at opset 16 or older: it is ReduceMean, Sub, Pow, Sqrt and Div there",
    "GroupNormalization": "export at opset 20 or older: it is InstanceNormalization, Mul and Add there",
    "HardSwish": "export at opset 13 or older: it is HardSigmoid and Mul there",
    "Mish": "export at opset 17 or older: it is Softplus, Tanh and Mul there",
    "Gelu": "export at opset 19 or older: it is Erf, or Tanh, and arithmetic there",
    "Einsum": "write it as Transpose, Reshape and MatMul",
    "DepthToSpace": "write it as Reshape, Transpose and Reshape",
    "SpaceToDepth": "write it as Reshape, Transpose and Reshape",
    "ReduceL1": "write it as Abs and ReduceSum",
    "ReduceL2": "write it as Mul, ReduceSum and Sqrt",
    "ReduceSumSquare": "write it as Mul and ReduceSum",
    "Reciprocal": "write it as Div: 1 / x",
    "CumSum": "write it as MatMul by a triangle of ones",
    "Trilu": "write it as Mul by a triangle of ones",
    "Unsqueeze": "write it as Reshape",
    "Mod": "write it as a - b * floor(a / b)",
    "Mean": "write it as Add and Mul",
}
NOT_FLAT = {"Mul", "CumSum", "Unsqueeze"}
OTHER_MODE = {
    "Resize": "use mode linear with half_pixel, or nearest with asymmetric and floor",
    "GridSample": "use another mode",
    "Pad": "use mode constant, or pad in `pre`",
    "DepthToSpace": "use the other mode, the weights before it reordered",
}


# Where a number lies at a step of these, half precision may fall on its other side.
STEPS_IN_VALUE = {
    *(
        "ArgMax",
        "ArgMin",
        "Cast",
        "Ceil",
        "DynamicQuantizeLinear",
        "Equal",
        "Floor",
        "Greater",
        "GreaterOrEqual",
    ),
    *(
        "Hardmax",
        "Less",
        "LessOrEqual",
        "Mod",
        "NonMaxSuppression",
        "QuantizeLinear",
        "Round",
        "Sign",
        "TopK",
    ),
    "ThresholdedRelu",
}


@dataclass(frozen=True)
class Lacked:
    """An operator that is not to be had, and how that showed."""

    operator: str
    how: str
    fix: str
    when: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Of one recipe. found: by case, those set aside where another operator may be at fault."""

    way: Way
    found: Mapping[str, Found]
    knows: tuple[str, ...]
    lacks: tuple[Lacked, ...]


def judged(way: Way, cases: Sequence[Case], found: Mapping[str, Found]) -> Verdict:
    """knows: operators of which a use agrees; lacks: all uses fail, or one that `when` tells apart."""
    fair = {case.id: _fair(case, cases, found, way.precision) for case in cases}
    by_operator: dict[str, list[Case]] = {}
    for case in cases:
        by_operator.setdefault(case.operator, []).append(case)
    knows, lacks = [], []
    for operator, own in by_operator.items():
        said = [(case, fair[case.id]) for case in own if fair[case.id].state != "aside"]
        bad = [(case, result) for case, result in said if result.state != "agrees"]
        if said and len(bad) == len(said):
            fix = FIXES.get(operator, ELSE)
            lacks.append(Lacked(operator, HOW[bad[0][1].state], fix))
        elif said:
            knows.append(operator)
            lacks += [
                Lacked(operator, HOW[result.state], _fix(case), case.when)
                for case, result in bad
                if case.when
            ]
    return Verdict(way, fair, tuple(knows), tuple(lacks))


def _fix(case: Case) -> str:
    """For one use of an operator whose others are had."""
    if case.when.get("rank") == 3 and case.operator not in NOT_FLAT:
        return FLAT
    if "mode" in case.when:
        return OTHER_MODE.get(case.operator, ELSE)
    return FIXES.get(case.operator, f"use it in another way: {case.variant or 'the plain one'} is what fails")


def _fair(case: Case, cases: Sequence[Case], found: Mapping[str, Found], precision: str) -> Found:
    """The result, set aside where something else than the operator may be at fault: another operator of its
    network that is had in no use, or rounding."""
    result = found[case.id]
    if result.state in ("agrees", "aside") or f"{case.operator} (" in result.words:
        return result
    model = case.build()
    there = operators_of(model.graph)
    numbers = result.state == "wrong" and "another shape" not in result.words
    if numbers and precision != "fp32" and there & STEPS_IN_VALUE:
        words = f"in {precision} a value may lie on the other side of a step: not told apart. {result.words}"
        return dataclasses.replace(result, state="aside", words=words)
    for other in sorted(there - {case.operator}):
        uses = [found[c.id].state for c in cases if c.operator == other]
        if uses and "agrees" not in uses:
            return dataclasses.replace(result, state="aside", words=f"not told apart from {other}")
    for given in model.graph.input:
        carrier = f"Mul in {len(given.type.tensor_type.shape.dim)} dimensions"
        if case.operator != "Mul" and carrier in found and found[carrier].state != "agrees":
            return dataclasses.replace(result, state="aside", words=f"not told apart from {carrier}")
    return result


def operators_of(graph: onnx.GraphProto) -> set[str]:
    """Those of inner graphs too."""
    inner = [a.g for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return {node.op_type for node in graph.node}.union(*(operators_of(g) for g in inner))
