"""A converted model on rknn-toolkit2's simulator.

The simulator does not load a .rknn ("RKNN model that loaded by 'load_rknn' not support inference on the
simulator"):
the model is built once more from what it was made of, and its bytes must be those of the file that ships.
"""

from __future__ import annotations

import numpy as np
from edgepack_recipe import Refused, Simulation, trained
from toolkit import Asked, build


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs, and the taps that the toolkit has. Raises Refused."""
    asked = simulation.report["asked"]
    if simulation.trained is None:
        raise Refused("converter-failed", "the simulator needs the ONNX model that this was made of")
    again = Asked(
        trained.read(simulation.trained, (1, 99)),
        str(simulation.chip),
        asked["precision"],
        asked["quantisation"],
        simulation.calibration,
        tuple(asked["keep"]),
    )
    built = build(again, simulation.work / "build", simulation.inputs, simulation.taps)
    shipped = simulation.model / "model.rknn"
    if asked["fixed_addresses"] and built.fixed and shipped.read_bytes() != built.file.read_bytes():
        raise Refused(
            "parity",
            "the model that ships is not the one that the simulator computes",
            why="it, the trained model or the calibration data was changed since, or TMPDIR was",
            fix="build it anew",
        )
    return dict(built.answers)
