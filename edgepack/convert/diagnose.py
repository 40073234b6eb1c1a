"""Why a gate fails: each of the usual causes is tried, and named only where undoing it mends the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgepack.convert import again, cause_words
from edgepack.convert.evaluate import Judge
from edgepack.convert.evaluation import Distance, distances
from edgepack.convert.layers import Layers
from edgepack.convert.recipe import convert
from edgepack.convert.swaps import Recorded, agreeing
from edgepack.errors import EdgepackError
from edgepack.model import arrays
from edgepack.plan.gates import Gates, gates_for

SAMPLES = 4  # on which hypotheses are tried
MENDED = 0.2  # of the largest value: what 8 bits may be off where a hypothesis is right


@dataclass(frozen=True)
class Cause:
    """What is wrong, in words, and how the numbers are without it."""

    key: str
    words: str
    fix: str
    mended: str


@dataclass(frozen=True)
class Case:
    """A model on inputs that may be wrong, beside what it should give. model: "trained" or "converted"."""

    stage: str
    inputs: Path
    wanted: Path
    gates: Gates
    normalize: Mapping[str, Any] | None = None
    resize: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A converted model: its files and what the recipe said of it."""

    folder: Path
    report: Mapping[str, Any]


def pre_cause(judge: Judge, golden: Recorded, worst: int) -> Cause | None:
    """What is wrong with what `pre` makes."""
    gates = gates_for(judge.work.project.manifest.parity, "fp16", judge.reference)
    blocks = judge.work.project.manifest.pre
    kinds = [block.kind for block in blocks]
    plain = kinds in (["resize", "normalize"], ["normalize", "resize"], ["letterbox", "normalize"])
    resize: dict[str, Any] = {}
    if plain:  # the project's own code may do anything: there is nothing to compare with
        (placed,) = (block for block in blocks if not block.normalize)
        shipped = {placed.kind: getattr(placed, placed.kind).model_dump()}
        resize = {"raw": str(golden.file.resolve()), "shipped": shipped}
    elif kinds == ["logmel"]:
        assert blocks[0].logmel is not None
        resize = {"raw": str(golden.file.resolve()), "shipped": {"logmel": blocks[0].logmel.model_dump()}}
    case = Case("pre", judge.fed / "golden.npz", golden.outputs, gates, _normalize(judge), resize)
    return _input_cause(judge, case, _samples(arrays.count(golden.outputs), worst, SAMPLES), None)


def model_cause(judge: Judge, candidate: Candidate, layers: Layers | None, worst: int) -> Cause | None:
    """What is wrong with the converted model, the cheapest to try first."""
    # 8 bits have no gate on errors to speak of, and half the input would do for a cosine: mended is nearer.
    gates = Gates(judge.gates.cosine, min(judge.gates.max_abs, MENDED))
    case = Case("model", judge.inputs, judge.wanted, gates, _normalize(judge))
    simulator = judge.recipe.about.simulator
    count = SAMPLES if simulator and simulator.kind == "runtime" else 1
    there = arrays.count(judge.inputs)
    return (
        _output_cause(judge, candidate)
        or _dead_layer(layers, judge.gates)
        or _calibration_cause(judge, candidate)
        or _input_cause(judge, case, _samples(there, worst, count), candidate)
    )


def post_cause(judge: Judge, golden: Recorded) -> Cause | None:
    """The outputs in another order, where `post` then says what was recorded."""
    import itertools

    names = judge.whole_outputs
    found = arrays.load(golden.outputs)
    for order in itertools.permutations(names) if 1 < len(names) <= 6 else ():
        if list(order) == names:
            continue
        try:
            said = judge.records(arrays.reordered(found, names, order, judge.new() / "reordered.npz"))
        except EdgepackError:
            continue
        if agreeing(said, golden) == 1:
            both = f"it wants {', '.join(order)}, the model gives {', '.join(names)}"
            return Cause(
                "output order",
                f"`post` takes the outputs in another order: {both}",
                "take the outputs in `post` in the model's order",
                "with them reordered all records agree",
            )
    return None


def _samples(there: int, worst: int, wanted: int) -> list[int]:
    """The worst one, and others from all over."""
    others = [number for number in arrays.spread(there, wanted) if number != worst]
    return sorted([worst, *others[: wanted - 1]])


def _normalize(judge: Judge) -> Mapping[str, Any] | None:
    """The last one of the manifest; code of the user's or other channels after it would make it another."""
    for block in reversed(judge.work.project.manifest.pre):
        if block.normalize is not None:
            return block.normalize.model_dump()
        if block.kind not in ("resize", "letterbox", "crop", "layout"):
            return None
    return None


def _input_cause(judge: Judge, case: Case, samples: list[int], candidate: Candidate | None) -> Cause | None:
    """All variants in one run. candidate: None tries the trained model."""
    layouts = [block.layout.order for block in judge.work.project.manifest.pre if block.layout]
    options = {"inputs": str(case.inputs), "samples": samples, "normalize": case.normalize, **case.resize}
    options["channels_last"] = layouts[-1:] == ["nhwc"]
    judge.work.progress("trying the usual causes")
    made = judge.ask("variants.py", options)
    inputs = made.files["variants.npz"]
    if candidate is None:
        given = judge.run_whole(inputs)
    else:
        given = judge.run_converted(candidate.folder, candidate.report, inputs)
    wanted = arrays.pick(case.wanted, samples, judge.new() / "wanted.npz")
    asked = {"variants": made.report["variants"], "samples": len(samples)}
    found = _mending(judge, {"given": str(given), "wanted": str(wanted), **asked}, case.gates)
    if found is None or found[0] == "as it is":
        return None
    key, rows = found
    words = cause_words.of_input(key)
    said, fix = (words.pre, words.fix) if case.stage == "pre" else (words.model, cause_words.CONVERTER)
    return Cause(key, said, fix, f"with that undone: {_said(rows)}")


def _output_cause(judge: Judge, candidate: Candidate) -> Cause | None:
    given = judge.run_converted(candidate.folder, candidate.report, judge.inputs)
    found = _mending(judge, {"given": str(given), "wanted": str(judge.wanted)}, judge.gates)
    if found is None:
        return None
    key, rows = found
    if key.startswith("order "):
        words = (
            f"the outputs are in another order: {key.removeprefix('order ')} in place of {', '.join(rows)}"
        )
        key = "output order"
        fix = "give the converter the outputs in the model's order"
    else:
        words, fix = cause_words.OUTPUT[key].model, cause_words.OUTPUT[key].fix
    return Cause(key, words, fix, f"with that undone: {_said(rows)}")


def _mending(
    judge: Judge, options: Mapping[str, Any], gates: Gates
) -> tuple[str, Mapping[str, Distance]] | None:
    """The hypothesis with which every output is within its gates, and by the most; None if there is none."""
    tried = judge.ask("mends.py", options).report["tried"]
    best: tuple[float, str, Mapping[str, Distance]] | None = None
    for key, outputs in tried.items():
        rows = {row.tensor: row for row in distances(outputs, gates)}
        error = max(row.max_abs / max(1.0, row.max_reference) for row in rows.values())
        if all(row.ok for row in rows.values()) and (best is None or error < best[0]):
            best = (error, key, rows)
    return best[1:] if best else None


def _dead_layer(layers: Layers | None, gates: Gates) -> Cause | None:
    """A layer that gives the same whatever goes in, and that by itself explains the outputs."""
    row = layers.first if layers else None
    if (
        not row
        or not (row["zero"] or row["constant"])
        or row["alone"] is None
        or row["alone"] >= gates.cosine
    ):
        return None
    gives = "only zeros" if row["zero"] else "the same whatever goes in"
    return Cause(
        "dead layer",
        f"layer `{row['node']}` ({row['op']}) is dead: it gives {gives} (zeroed weights)",
        "convert again; if it stays, keep that layer in floating point (quantisation.keep)",
        f"the trained model with this one tensor in it has cosine {row['alone']:.5f} too",
    )


def _calibration_cause(judge: Judge, candidate: Candidate) -> Cause | None:
    """One-sided calibration data: converted again with the golden inputs in its place, the gates hold."""
    found = calibration(judge)
    if found is None or not found["one_sided"]:
        return None
    judge.work.progress("converting again, calibrated with the golden inputs")
    other = judge.calibrated_with(judge.fed / "golden.npz")
    asked = again.request(other, candidate.report)
    rescued = {"rescued_with": candidate.report.get("rescued_with")}
    try:
        asked = replace(asked, model=judge.made_over(asked.model, rescued))
        made = convert(judge.recipe, asked, judge.log, judge.work.progress)
        shown = other.evaluate(asked.out, {**made.report, **rescued})
    except EdgepackError:
        return None
    if not shown.ok:
        return None
    return Cause(
        "calibration",
        f"the calibration data is one-sided: {one_sided(found)}",
        "calibrate with inputs of every class and light, as the box will see them (model.calibration)",
        f"calibrated with the golden inputs: cosine {shown.cosine:.5f}",
    )


def calibration(judge: Judge) -> Mapping[str, Any] | None:
    """What ``recipes/onnx/calibration.py`` says of the data; None where none is used."""
    declared = judge.recipe.precision(judge.work.choice.precision, judge.work.choice.target.chip)
    files = {name: judge.fed / f"{name}.npz" for name in ("golden", "calibration")}
    if declared is None or not declared.calibration or not all(file.is_file() for file in files.values()):
        return None
    return judge.ask("calibration.py", {name: str(file) for name, file in files.items()}).report


def one_sided(found: Mapping[str, Any]) -> str:
    """What shows it best, in words: ``Beyond`` of ``recipes/onnx/calibration.py``."""
    return (
        f"channel {found['channel']} of `{found['tensor']}` goes {found['side']} all that it holds in "
        f"{found['beyond']} of {found['of']} golden samples (by chance: {found['chance']:.1g})"
    )


def _said(rows: Mapping[str, Distance]) -> str:
    least = min(row.cosine for row in rows.values())
    most = max(row.max_abs for row in rows.values())
    return f"cosine {least:.6f}, largest error {most:.2g}" if math.isfinite(most) else f"cosine {least:.6f}"
