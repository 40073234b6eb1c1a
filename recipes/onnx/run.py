"""The prepared model on ONNX Runtime's CPU: the reference that all others are held to."""

from __future__ import annotations

import numpy as np
from edgepack_recipe import Simulation
from edgepack_recipe.onnx_taps import run as run_onnx


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by name, and with ``tap:`` before their names the tensors asked for (``*``: all floats)."""
    return run_onnx(simulation.model / "model.onnx", simulation)
