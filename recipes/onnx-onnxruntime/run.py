"""The converted model on ONNX Runtime, the runtime of the box, on this host's processor."""

from __future__ import annotations

import numpy as np
from edgepack_recipe import Simulation
from edgepack_recipe.onnx_taps import run as run_onnx


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by name, and with ``tap:`` before their names the tensors asked for that are still there."""
    return run_onnx(simulation.model / "model.onnx", simulation)
