"""A TFLite model on LiteRT, on this host's processor."""

from __future__ import annotations

import litert
import numpy as np
from edgepack_recipe import Refused, Simulation


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs; TFLite's inner tensors have no names that ONNX's could be found by. Raises Refused."""
    names = [entry["tensor"] for entry in simulation.report["inputs"]]
    file = simulation.model / "model.tflite"
    computed = litert.compute(file, simulation.inputs, names, simulation.work / "litert")
    found = {}
    for entry in simulation.report["outputs"]:
        if entry["name"] not in computed.answers:
            raise Refused("converter-failed", f"the model has no output {entry['name']}")
        array = computed.answers[entry["name"]]
        found[entry["tensor"]] = litert.arranged(array, entry["onnx_shape"], entry["channels_last"])
    return found
