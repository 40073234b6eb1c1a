"""An ONNX file computed by ONNX Runtime, with the tensors inside it, where the environment has both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .refused import Refused
from .request import Simulation
from .tensors import samples

TAP = "tap:"


def run(file: Path, simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by name, (N, ...) each, and the taps that the file has; float32 all. Raises Refused.

    With taps nothing is optimised, for the tensors asked for would be gone. A tensor that is quantised is
    given as the nodes after it see it: quantised and back.
    """
    import onnx

    model = onnx.load(str(file))
    outputs = [value.name for value in model.graph.output]
    seen_as = _quantised(model)
    taps = {name: seen_as.get(name, name) for name in _taps(model, simulation.taps)}
    there = set(outputs)
    extra = sorted(set(taps.values()) - there)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
    session = _session(model.SerializeToString(), optimised=not taps)
    types = {value.name: _numpy_type(value.type) for value in session.get_inputs()}
    asked = outputs + extra
    found: dict[str, list[np.ndarray]] = {name: [] for name in asked}
    for inputs in samples(simulation.inputs):
        missing = sorted(set(types) - set(inputs))
        if missing:
            raise Refused("unsupported-input", "there are no values for the input " + missing[0])
        feeds = {name: inputs[name].astype(kind) for name, kind in types.items()}
        for name, value in zip(asked, session.run(asked, feeds)):  # noqa: B905 - Python 3.7
            found[name].append(np.asarray(value, dtype=np.float32))
    answers = {name: _stack(found[name]) for name in outputs}
    answers.update({TAP + name: _stack(found[there_as]) for name, there_as in taps.items()})
    return answers


def _taps(model: object, wanted: tuple[str, ...]) -> list[str]:
    """Tensors that nodes of the main graph make, as floats as far as is known, in the model's order."""
    import onnx

    if not wanted:
        return []
    graph = model.graph  # type: ignore[attr-defined]
    values = (*graph.value_info, *graph.output)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    beside = ("Constant", "QuantizeLinear", "DequantizeLinear")
    made = [name for node in graph.node if node.op_type not in beside for name in node.output if name]
    if wanted == ("*",):
        return [name for name in made if kinds.get(name) in floats]
    return [name for name in made if name in wanted]


def _quantised(model: object) -> dict[str, str]:
    """Tensor → the same after QuantizeLinear and DequantizeLinear, where it goes through both."""
    graph = model.graph  # type: ignore[attr-defined]
    whole = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    back = [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in whole]
    return {whole[n.input[0]]: n.output[0] for n in back}


def _session(data: bytes, optimised: bool) -> object:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _numpy_type(of: str) -> np.dtype:
    inner = of[len("tensor(") : -1]
    return np.dtype({"float": "float32", "double": "float64"}.get(inner, inner))


def _stack(found: list[np.ndarray]) -> np.ndarray:
    """Along the batch of 1 that each has; a new first axis where there is none."""
    if found and found[0].ndim and all(array.shape == (1, *found[0].shape[1:]) for array in found):
        return np.concatenate(found)
    if any(array.shape != found[0].shape for array in found):
        raise Refused("unsupported-input", "an output's shape depends on the values, so none can be compared")
    return np.stack(found)
