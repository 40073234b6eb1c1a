"""Whether the calibration data spans what the golden inputs bring about in the model.

Options: ``golden`` and ``calibration``, ``.npz`` of model inputs. Each tensor's channel has a range over the
calibration samples; counted is how often a golden sample's extreme lies beyond it by a margin. Of n samples
drawn alike, one more has a new extreme in 2 of n + 1 cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from edgepack_recipe import Request, tensors
from graph import WEIGHTED
from samples import session

MARGIN = 0.05  # of the channel's range
SAMPLES = 128
INNER = 4  # layers besides the outputs
ONE_SIDED = 0.15


def calibration(request: Request) -> dict[str, Any]:
    """``outside``: tensor → part of (sample, channel) beyond the range, 0..1; ``expected``; ``one_sided``."""
    model = onnx.load(str(request.model))
    names = _looked_at(model)
    wide = _extremes(model, names, tensors.load(Path(request.options["calibration"])))
    seen = _extremes(model, names, tensors.load(Path(request.options["golden"])))
    outside = {name: _outside(wide[name], seen[name]) for name in names}
    count = len(next(iter(wide.values()))[0])
    expected = 2 / (count + 1)
    (request.out / "calibration.json").write_text("{}\n")
    worst = max(outside.values(), default=0.0)
    one_sided = worst > max(ONE_SIDED, 3 * expected)
    report = {"outside": outside, "expected": expected, "worst": worst, "one_sided": one_sided}
    return {"files": ["calibration.json"], "samples": count, **report}


def _looked_at(model: onnx.ModelProto) -> list[str]:
    """The outputs that are floats, and a few weighted layers spread over the model."""
    floats = [o.name for o in model.graph.output if o.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    inner = [n.output[0] for n in model.graph.node if n.op_type in WEIGHTED and n.output[0] not in floats]
    places = np.unique(np.linspace(0, len(inner) - 1, min(INNER, len(inner))).round().astype(int))
    return [*floats, *(inner[place] for place in places)]


def _extremes(
    model: onnx.ModelProto, names: list[str], inputs: Mapping[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Tensor → (lowest, highest), (N, channels) each."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    there = {o.name for o in model.graph.output}
    tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in there)
    running = session(tapped.SerializeToString())
    count = min(len(array) for array in inputs.values())
    chosen = np.unique(np.linspace(0, count - 1, min(SAMPLES, count)).round().astype(int))
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    for number in chosen:
        feeds = {name: array[number : number + 1] for name, array in inputs.items()}
        for name, value in zip(names, running.run(names, feeds), strict=True):
            flat = value.reshape(value.shape[1] if value.ndim > 1 else 1, -1)
            found[name].append((flat.min(1), flat.max(1)))
    return {
        name: (np.stack([low for low, _ in rows]), np.stack([high for _, high in rows]))
        for name, rows in found.items()
    }


def _outside(wide: tuple[np.ndarray, np.ndarray], seen: tuple[np.ndarray, np.ndarray]) -> float:
    low, high = wide[0].min(0), wide[1].max(0)
    margin = MARGIN * (high - low)
    return float(((seen[0] < low - margin) | (seen[1] > high + margin)).mean())
