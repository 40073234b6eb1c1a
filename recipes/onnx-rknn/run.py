"""A converted model on rknn-toolkit2's simulator.

The simulator does not load a .rknn ("RKNN model that loaded by 'load_rknn' not support inference on the
simulator"):
the model is built once more from what it was made of, and its bytes must be those of the file that ships, but
for addresses of the toolkit's memory: its threads make those another now and then.
"""

from __future__ import annotations

import numpy as np
from edgepack_recipe import Refused, Simulation, trained
from toolkit import Asked, build

HIGH = (0x7FFF, 0x5555)  # the upper halves of addresses: the stack and mapped memory, the heap
HEAP = (0x55, 0x56, 0x57, 0x58)  # how the lower halves of the heap's begin


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
    fixed = asked["fixed_addresses"] and built.fixed
    if fixed and _comparable(shipped.read_bytes()) != _comparable(built.file.read_bytes()):
        raise Refused(
            "parity",
            "the model that ships is not the one that the simulator computes",
            why="it, the trained model or the calibration data was changed since, or TMPDIR was",
            fix="build it anew",
        )
    return dict(built.answers)


def _comparable(model: bytes) -> bytes:
    """Without addresses, some of which have lost their upper half: the search of `mmse` moves them each time.

    A word of the weights that looks like one is passed over too: 4 in 256 of those that are random.
    """
    words = np.frombuffer(model + bytes(-len(model) % 4), "<u4").copy()
    is_low = np.append(np.isin(words, HIGH)[1:], False) | np.isin(words >> 24, HEAP)
    words[is_low] = 0
    return words.tobytes()
