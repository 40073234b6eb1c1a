"""Computes the IR with OpenVINO's CPU plugin, in float32 arithmetic around what was quantised."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from edgepack_recipe import Refused, Simulation, tensors


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs, and ``tap:<tensor>`` for each tap that the graph still has, by ONNX name."""
    core = ov.Core()
    model = core.read_model(simulation.model / "model.xml")
    wanted = {output["tensor"]: output["tensor"] for output in simulation.report["outputs"]}
    for tensor in _taps(model, simulation.taps):
        if tensor not in wanted:
            model.add_outputs(tensor)
            wanted[tensor] = "tap:" + tensor
    compiled = core.compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    )
    missing = [name for name in wanted if not any(name in port.get_names() for port in compiled.outputs)]
    if missing:
        raise Refused("converter-failed", f"OpenVINO gives no {', '.join(missing)}")
    outputs = []
    for feeds in tensors.samples(simulation.inputs):
        given = compiled(feeds)
        outputs.append({key: given[name].copy() for name, key in wanted.items()})
    return tensors.stacked(outputs)


def _taps(model: ov.Model, taps: tuple[str, ...]) -> list[str]:
    """Those that the graph has, in its order; only floating point with a batch."""
    if not taps:
        return []
    return [
        name
        for op in model.get_ordered_ops()
        if op.get_type_name() not in ("Parameter", "Constant", "Result")
        for port in op.outputs()
        for name in sorted(port.get_names())
        if ("*" in taps or name in taps) and _is_activation(port)
    ]


def _is_activation(port: Any) -> bool:
    return bool(port.get_element_type().is_real() and len(port.shape) and port.shape[0] == 1)
