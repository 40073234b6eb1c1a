"""Whether the calibration data spans what the golden inputs bring about in the model.

Options: ``golden`` and ``calibration``, ``.npz`` of model inputs. Each tensor's channel has a range over
the n calibration samples; counted is how many of the m golden samples go below it, or above it, by a margin.
Where both are drawn alike, the k farthest of all n + m samples are golden ones with a probability of
C(m, k) / C(n + m, k), whatever the distribution. Channels and sides are many, and each is one more throw of
the dice: the probability is multiplied by their number (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from edgepack_recipe import Request, tensors
from graph import WEIGHTED
from samples import session

MARGIN = 0.1  # of the channel's range: less costs 8 bits next to nothing
SAMPLES = 128
INNER = 4  # layers besides the outputs
CHANCE = 1e-3  # less likely than that is not chance

Ranges = tuple[np.ndarray, np.ndarray]  # lowest and highest, (N, channels) each


@dataclass(frozen=True)
class Beyond:
    """Golden samples beyond a channel's range. chance: of that many in any channel, where all is well."""

    tensor: str
    channel: int
    side: str
    beyond: int
    of: int
    chance: float


def calibration(request: Request) -> dict[str, Any]:
    """``one_sided``, and the channel that shows it best: the fields of Beyond."""
    model = onnx.load(str(request.model))
    names = _looked_at(model)
    wide = _extremes(model, names, tensors.load(Path(request.options["calibration"])))
    seen = _extremes(model, names, tensors.load(Path(request.options["golden"])))
    (request.out / "calibration.json").write_text("{}\n")
    samples = len(next(iter(wide.values()))[0]) if wide else 0
    least = least_likely(wide, seen)
    found = {"one_sided": least.chance < CHANCE, **asdict(least)} if least else {"one_sided": False}
    return {"files": ["calibration.json"], "samples": samples, **found}


def least_likely(wide: Mapping[str, Ranges], seen: Mapping[str, Ranges]) -> Beyond | None:
    """Of all channels the one whose golden samples chance explains worst; None where there is no channel."""
    rows = [row for name in wide for row in _beyond(name, wide[name], seen[name])]
    best = min(rows, key=lambda row: (row.chance, -row.beyond), default=None)
    if best is None:
        return None
    sides = sum(2 * low.shape[1] for low, _ in wide.values())
    return Beyond(**{**asdict(best), "chance": min(1.0, sides * best.chance)})


def _beyond(name: str, wide: Ranges, seen: Ranges) -> Iterator[Beyond]:
    """Each side's channel with the most. chance: of this one channel and side."""
    low, high = wide[0].min(0), wide[1].max(0)
    margin = MARGIN * (high - low)
    samples, of = len(wide[0]), len(seen[0])
    for side, outside in (("below", seen[0] < low - margin), ("above", seen[1] > high + margin)):
        counts = outside.sum(0)
        channel = int(counts.argmax())
        beyond = int(counts[channel])
        chance = math.prod((of - i) / (samples + of - i) for i in range(beyond))
        yield Beyond(name, channel, side, beyond, of, chance)


def _looked_at(model: onnx.ModelProto) -> list[str]:
    """The outputs that are floats, and a few weighted layers spread over the model."""
    floats = [o.name for o in model.graph.output if o.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    inner = [n.output[0] for n in model.graph.node if n.op_type in WEIGHTED and n.output[0] not in floats]
    places = np.unique(np.linspace(0, len(inner) - 1, min(INNER, len(inner))).round().astype(int))
    return [*floats, *(inner[place] for place in places)]


def _extremes(
    model: onnx.ModelProto, names: list[str], inputs: Mapping[str, np.ndarray]
) -> dict[str, Ranges]:
    """Tensor → its samples' extremes, channel by channel."""
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
