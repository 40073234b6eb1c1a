"""What each layer alone costs when it is quantised: ``sensitivity.json``, the worst first.

The layers are Conv, ConvTranspose, Gemm and MatMul. One model holds each of them twice, as trained and with
its weights and its input rounded to 8 bits, and a switch between the two; so ONNX Runtime reads one model,
and computes it once as trained and once a layer.

Options (the request's own, or under ``sensitivity``): ``metric: rms`` (root mean square of the difference,
relative to that of the output as trained; the default) or ``cosine`` (1 − cosine); ``samples: 4``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from edgepack_recipe import Refused, Request, tensors
from graph import WEIGHTED, constants
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"  # its QuantizeLinear is there at any opset of the model's
METRICS = ("rms", "cosine")
SAMPLES = 4


@dataclass(frozen=True)
class Cost:
    """error: of the outputs together, when this layer alone is quantised."""

    node: str
    op: str
    error: float


@dataclass(frozen=True)
class Scheme:
    """How the layers are to be quantised, as the target's precision will be."""

    symmetric: bool = False
    per_channel: bool = True


def sensitivity(request: Request) -> dict[str, Any]:
    """The report, with ``ranking``: ``[{node, op, error}]``. Raises Refused."""
    nested = request.options.get("sensitivity")
    options = nested if isinstance(nested, dict) else request.options
    metric = str(options.get("metric", METRICS[0]))
    if metric not in METRICS:
        raise Refused("converter-failed", f"no metric {metric}", fix="use " + " or ".join(METRICS))
    if request.calibration is None:
        raise Refused("unsupported-input", "layers are ranked on calibration data, and there is none")
    count = int(options.get("samples", SAMPLES))
    asked = request.quantisation
    scheme = Scheme(asked.get("scheme") == "symmetric", asked.get("granularity") != "per-tensor")
    model = onnx.load(str(request.model))
    chosen = spread(tensors.load(request.calibration), count)
    ranking = [vars(cost) for cost in rank(model, chosen, scheme, metric)]
    (request.out / "sensitivity.json").write_text(json.dumps(ranking, indent=1) + "\n")
    return {
        "files": ["sensitivity.json"],
        "ranking": ranking,
        "metric": metric,
        "samples": len(next(iter(chosen.values()))),
        "tool": {"name": "onnxruntime", "version": version("onnxruntime")},
        "warnings": [],
    }


def spread(arrays: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """``count`` samples, from all over the set: neighbours in it are often alike."""
    there = min(len(array) for array in arrays.values())
    places = np.unique(np.linspace(0, there - 1, min(count, there)).round().astype(int))
    return {name: array[places] for name, array in arrays.items()}


def rank(
    model: onnx.ModelProto, calibration: Mapping[str, np.ndarray], scheme: Scheme, metric: str = METRICS[0]
) -> list[Cost]:
    """Each layer's cost, the worst first; calibration: (N, …) by input. Raises Refused."""
    layers = [node for node in model.graph.node if node.op_type in WEIGHTED and node.name]
    if not layers:
        return []
    feeds = _feeds(model, calibration)
    ranges = _ranges(model, [node.input[0] for node in layers], feeds)
    session = _session(switched(model, layers, ranges, scheme))
    outputs = [o.name for o in session.get_outputs() if o.type == "tensor(float)"]
    off = {f"quantise:{node.name}": np.array(False) for node in layers}
    trained = [session.run(outputs, {**off, **feed}) for feed in feeds]
    costs = []
    for node in layers:
        switches = {**off, f"quantise:{node.name}": np.array(True)}
        given = [session.run(outputs, {**switches, **feed}) for feed in feeds]
        costs.append(Cost(node.name, node.op_type, error(given, trained, metric)))
    return sorted(costs, key=lambda cost: -cost.error)


def error(given: Sequence[Sequence[Any]], trained: Sequence[Sequence[Any]], metric: str) -> float:
    """The mean over the outputs; an output is taken over all samples."""
    found = []
    for ours, theirs in zip(zip(*given, strict=True), zip(*trained, strict=True), strict=True):
        a, b = (
            np.concatenate([np.ravel(part) for part in parts]).astype(np.float64) for parts in (ours, theirs)
        )
        lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        if metric == "rms":
            found.append(float(np.linalg.norm(a - b)) / (lengths[1] or 1.0))
        else:
            found.append(
                1 - float(a @ b) / (lengths[0] * lengths[1]) if all(lengths) else float(lengths[0] > 0)
            )
    return float(np.mean(found))


def switched(
    model: onnx.ModelProto,
    layers: Sequence[onnx.NodeProto],
    ranges: Mapping[str, tuple[float, float]],
    scheme: Scheme,
) -> onnx.ModelProto:
    """The model with a boolean input ``quantise:NODE`` for each layer, which chooses how it is computed."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    held = constants(model.graph)
    chosen = {node.name for node in layers}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.name not in chosen or node.op_type not in WEIGHTED:
            nodes.append(node)
            continue
        flag = f"quantise:{node.name}"
        result.graph.input.append(helper.make_tensor_value_info(flag, TensorProto.BOOL, []))
        then_branch = _quantised(node, held.get(node.input[1]), ranges[node.input[0]], scheme)
        else_branch = _branch([_renamed(node, list(node.input), "as-trained")], [], "as-trained")
        nodes.append(
            helper.make_node(
                *("If", [flag], [node.output[0]]), then_branch=then_branch, else_branch=else_branch
            )
        )
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    del result.graph.value_info[:]
    if MICROSOFT not in {o.domain for o in result.opset_import}:
        result.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return result


def _quantised(
    node: onnx.NodeProto, weight: onnx.TensorProto | None, span: tuple[float, float], scheme: Scheme
) -> onnx.GraphProto:
    """The layer with its input, and its weights where they are in the file, rounded to 8 bits and back."""
    scale, zero = activation_scale(span, scheme.symmetric)
    own = f"{node.name}:"
    held = [numpy_helper.from_array(scale, own + "scale"), numpy_helper.from_array(zero, own + "zero")]
    inputs = list(node.input)
    steps = [
        helper.make_node(
            "QuantizeLinear", [inputs[0], own + "scale", own + "zero"], [own + "q"], domain=MICROSOFT
        ),
        helper.make_node(
            "DequantizeLinear", [own + "q", own + "scale", own + "zero"], [own + "x"], domain=MICROSOFT
        ),
    ]
    inputs[0] = own + "x"
    if weight is not None and weight.data_type == TensorProto.FLOAT:
        axis = channel_axis(node) if scheme.per_channel else None
        rounded = rounded_weights(numpy_helper.to_array(weight), axis)
        held.append(numpy_helper.from_array(rounded, own + "w"))
        inputs[1] = own + "w"
    return _branch([*steps, _renamed(node, inputs, "quantised")], held, "quantised")


def _renamed(node: onnx.NodeProto, inputs: list[str], branch: str) -> onnx.NodeProto:
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    copied.input[:] = inputs
    copied.output[:] = [f"{node.name}:{branch}"]
    return copied


def _branch(nodes: list[onnx.NodeProto], held: list[onnx.TensorProto], name: str) -> onnx.GraphProto:
    out = onnx.ValueInfoProto(name=nodes[-1].output[0])
    out.type.tensor_type.elem_type = TensorProto.FLOAT
    return helper.make_graph(nodes, name, [], [out], held)


def channel_axis(node: onnx.NodeProto) -> int:
    """Which axis of a layer's weights its output channels are on, by each operator's definition."""
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return {"Conv": 0, "ConvTranspose": 1}.get(node.op_type, -1)


def rounded_weights(weight: np.ndarray, axis: int | None) -> np.ndarray:
    """Symmetric int8, −127…127, with a scale a channel (axis None: one for all), and back to float32."""
    others = None if axis is None else tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(largest == 0, 1, largest / 127)
    return (np.clip(np.round(weight / scale), -127, 127) * scale).astype(np.float32)


def activation_scale(span: tuple[float, float], symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of 8 bits over a range that is widened to hold 0: int8 symmetric, else uint8."""
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    if symmetric:
        return np.float32(max(-low, high) / 127 or 1.0)[()].reshape(()), np.array(0, np.int8)
    scale = np.array((high - low) / 255 or 1.0, np.float32)
    return scale, np.array(np.clip(round(-low / float(scale)), 0, 255), np.uint8)


def _ranges(
    model: onnx.ModelProto, names: Sequence[str], feeds: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, tuple[float, float]]:
    """The smallest and the largest value of each tensor over all samples."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    inputs = {i.name for i in model.graph.input}
    there = {o.name for o in model.graph.output}
    wanted = sorted(set(names) - inputs)
    tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in there)
    session = _session(tapped)
    found = dict.fromkeys(set(names), (np.inf, -np.inf))
    for feed in feeds:
        values = dict(zip(wanted, session.run(wanted, dict(feed)), strict=True)) if wanted else {}
        for name, (low, high) in found.items():
            value = values.get(name, feed.get(name))
            found[name] = min(low, float(np.min(value))), max(high, float(np.max(value)))
    return found


def _feeds(model: onnx.ModelProto, calibration: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    kinds = {i.name: helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in model.graph.input}
    missing = sorted(set(kinds) - set(calibration))
    if missing:
        raise Refused("unsupported-input", f"the calibration data has nothing for the input {missing[0]}")
    count = min(len(calibration[name]) for name in kinds)
    return [{n: calibration[n][k : k + 1].astype(kind) for n, kind in kinds.items()} for k in range(count)]


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    # not "all": layouts of one processor would be converted to and fro around each switch
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    data = model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
