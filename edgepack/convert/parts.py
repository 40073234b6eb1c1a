"""The two parts of a split model: what crosses the cut, one computed after the other, golden vectors of each.

The reference for all of it is the trained model in ONNX Runtime (``recipes/onnx``), never a converted one.
"""

from __future__ import annotations

from pathlib import Path

from edgepack.convert.files import lay_out
from edgepack.convert.recipe import Simulation, simulate
from edgepack.model import arrays, golden
from edgepack.model.arrays import Rows
from edgepack.plan.cut import cut_of, slot_of
from edgepack.plan.step import Work

VECTORS = golden.PART


def compute(work: Work, part: str, inputs: Path, folder: Path) -> Path:
    """A part of the trained model on ``inputs`` (``.npz``, float32 (N, …) by name): its outputs, alike.

    folder: empty. Raises what ``simulate`` raises.
    """
    assert work.choice.prepare is not None
    model, out = lay_out(work, slot_of(work, part), folder / "part"), folder / "out"
    out.mkdir()
    asked = Simulation(model, {}, inputs, out)
    return simulate(work.choice.prepare, asked, work.log(work.slot), work.progress).files["outputs.npz"]


def crossing(work: Work, inputs: Path, folder: Path) -> Path:
    """What the trained first part gives to the second, of what the first part takes. folder: empty."""
    cut = cut_of(work)
    assert cut is not None
    found = arrays.load(compute(work, "before", inputs, folder))
    return arrays.write({name: found[name] for name in cut.crossing}, folder / "crossing.npz")


def completed(work: Work, outputs: Path, folder: Path) -> Path | None:
    """The whole model's outputs, from those of the part that this target gets. folder: empty.

    Those of the first part go through the trained second one. None where the first part makes an output that
    the second one does not hand on, and only the second one's are given.
    """
    cut = cut_of(work)
    assert cut is not None
    found = arrays.load(outputs)
    if work.choice.part == "before":
        given = arrays.write({name: found[name] for name in cut.crossing}, folder / "given.npz")
        found |= arrays.load(compute(work, "after", given, folder))
    if not cut.outputs.keys() <= found.keys():
        return None
    return arrays.write({name: found[name] for name in cut.outputs}, folder / "whole.npz")


def vectors(work: Work, whole: Path, inputs: Path, folder: Path) -> Path:
    """Golden vectors of this target's part, by the trained model on the project's golden inputs.

    whole: the project's; inputs: what the part takes of them; folder: empty. ``input.<tensor>`` and
    ``output.<tensor>`` are float32 (N, …). The first part's have the project's raw ``input`` besides, the
    second part's the ``record.<field>``.
    """
    part = work.choice.part
    assert part is not None
    given, outputs = arrays.load(inputs), arrays.load(compute(work, part, inputs, folder))
    recorded = arrays.load(whole)
    kept: dict[str, Rows] = {n: r for n, r in recorded.items() if _belongs(n, part)}
    kept |= {f"input.{name}": rows for name, rows in given.items()}
    kept |= {f"output.{name}": rows for name, rows in outputs.items()}
    return arrays.write(kept, folder / VECTORS)


def _belongs(name: str, part: str) -> bool:
    return name == "input" if part == "before" else name.startswith("record.")
