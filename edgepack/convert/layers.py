"""The converted model beside the trained one, layer by layer, where what computes it can look inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.convert.evaluate import Judge
from edgepack.model import arrays

SAMPLES = 3  # all tensors of each are in memory
ALL = ("*",)


@dataclass(frozen=True)
class Layers:
    """rows: a tensor each, in the model's order; first: the first that is off though its inputs are not.

    how: taps, or cutting; note: what is to be known of how it was found, empty for taps.
    """

    rows: Sequence[Mapping[str, Any]]
    first: Mapping[str, Any] | None
    how: str = "taps"
    note: str = ""

    def told(self) -> str:
        """The first diverging layer in words; the note alone where there is none."""
        if self.first is None:
            return self.note
        row = self.first
        cosine = f"cosine {row['cosine']:.5f}" if row["cosine"] is not None else "not computed"
        said = f"`{row['node']}` ({row['op']}), tensor `{row['tensor']}`: {cosine}"
        alone = row.get("alone")
        if alone is not None:
            said += f"; alone it takes the outputs to {alone:.5f}"
        return f"{said}\n  {self.note}" if self.note else said


def look(judge: Judge, folder: Path, report: Mapping[str, Any], worst: int) -> Layers | None:
    """None where nothing can look inside. worst: the sample that is off most; it is among those taken."""
    simulator = judge.recipe.about.simulator
    if simulator is None or not simulator.taps:
        return None
    judge.work.progress("layer by layer")
    there = arrays.count(judge.inputs)
    samples = sorted({worst, *arrays.spread(there, SAMPLES - 1)})
    inputs = arrays.pick(judge.inputs, samples, judge.new() / "tapped.npz")
    options = {
        "inputs": str(inputs),
        "trained": str(judge.run_trained(inputs, ALL)),
        "converted": str(judge.run_converted(folder, report, inputs, ALL)),
        "least": judge.gates.cosine,
    }
    found = judge.ask("layers.py", options).report
    return Layers(found["layers"], found["first"])
