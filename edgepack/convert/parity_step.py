"""The build's stage that holds a converted model to the trained one, and says which stage is at fault.

Three swaps: shipped `pre` → trained model beside golden outputs; converted model beside the trained one, both
on shipped `pre`; shipped `post` on golden outputs beside golden records. See docs/design/recipes.md.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgepack.convert import cutting, diagnose, layers, parity_page, parts, pruning
from edgepack.convert.diagnose import Candidate, Cause
from edgepack.convert.errors import ConvertParityError
from edgepack.convert.evaluate import Judge, open_judge
from edgepack.convert.evaluation import Evaluation
from edgepack.convert.files import lay_out
from edgepack.convert.layers import Layers
from edgepack.convert.pruning import Pruned
from edgepack.convert.swaps import Recorded, Swapped, post_swap, pre_swap, recorded
from edgepack.manifest.project import Project
from edgepack.model import arrays, blocks
from edgepack.plan.cut import cut_of
from edgepack.plan.step import Plan, Work
from edgepack.store import Store

STAGES = ("pre", "model", "post")
FEW = 0.2  # of a metric that is better towards 1: labels of another model, or of nobody
NO_CAUSE = "none of the usual causes, tried one by one, mends it"


@dataclass(frozen=True)
class Looked:
    """All that was compared."""

    stages: Mapping[str, Swapped]
    evaluation: Evaluation | None  # None where nothing here computes the converted model
    layers: Layers | None = None
    cause: Cause | None = None
    warnings: tuple[str, ...] = ()
    pruned: Pruned | None = None

    @property
    def fault(self) -> str | None:
        """The first stage that is off: what comes after it has not been fed rightly."""
        return next((name for name in STAGES if name in self.stages and self.stages[name].ok is False), None)


def run(work: Work) -> str:
    """Leaves ``parity.json`` and ``parity.html``; a line on them. Raises ConvertParityError.

    The report is in ``dist/`` also where a gate fails.
    """
    began = time.monotonic()
    with open_judge(work) as judge:
        looked = _look(judge)
        body = {**_facts(work), **_verdict(work, looked)}
        body["seconds"] = round(time.monotonic() - began, 1)
        error = _error(judge, looked, body) if looked.fault else None
    with tempfile.TemporaryDirectory(prefix="edgepack-parity-") as temporary:
        body = clean(body)
        files = written(work, body, Path(temporary))
        if error is not None:
            raise error
        work.store.put(work.step("parity").key, files, body)
    return _line(looked, body)


def written(work: Work, body: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """A report as JSON and as a page, in ``folder`` and in ``dist/``. body: without NaN and infinity."""
    files = {name: folder / name for name in ("parity.json", "parity.html")}
    files["parity.json"].write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")
    files["parity.html"].write_text(parity_page.page(body))
    _to_dist(work.project, work.choice.target.id, files)
    return files


def place(project: Project, target: str, suffix: str) -> Path:
    """Where a report lies: ``dist/<name>@<target>.parity.<suffix>``."""
    return project.folder / "dist" / f"{project.manifest.name}@{target}.parity.{suffix}"


def laid_out(plan: Plan, target: str, store: Store) -> Mapping[str, Any]:
    """A kept report, put into ``dist/`` again: somebody may have emptied it. Raises ToolError."""
    choice = plan.choices[target]
    result = Work(plan, choice, store, lambda _note: None, "parity").result("parity")
    _to_dist(plan.project, target, {name: store.blob(o.sha256) for name, o in result.outputs.items()})
    return result.report


def clean(value: Any) -> Any:
    """A report as JSON has it. JSON knows no infinity and no NaN: null."""
    if isinstance(value, Mapping):
        return {str(name): clean(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _to_dist(project: Project, target: str, files: Mapping[str, Path]) -> None:
    for name, file in files.items():
        dest = place(project, target, name.rpartition(".")[2])
        dest.parent.mkdir(exist_ok=True)
        beside = dest.with_name(f".{dest.name}.new")
        beside.write_bytes(file.read_bytes())
        beside.replace(dest)


def _look(judge: Judge) -> Looked:
    work, stages = judge.work, {}
    golden = recorded(judge)
    if golden is not None:
        work.progress("pre beside the golden outputs")
        stages["pre"] = pre_swap(judge, golden)
        work.progress("post beside the golden records")
        stages["post"] = post_swap(judge, golden)
    evaluation = candidate = pruned = None
    if judge.recipe.about.simulator is not None:
        candidate = Candidate(lay_out(work, "convert", judge.new()), work.result("convert").report)
        works = "post" not in stages or stages["post"].ok is not False
        evaluation = judge.evaluate(candidate.folder, candidate.report, task=works)
        pruned = pruning.look(judge, candidate) if works else None
        stages["model"] = Swapped(
            evaluation.ok and (pruned is None or pruned.ok),
            "the converted model beside the trained one, both on inputs from the shipped `pre`",
            "; ".join(filter(None, [evaluation.why, pruned.why if pruned else ""])),
            {output.tensor: output.as_dict() for output in evaluation.outputs},
        )
    looked = Looked(stages, evaluation, pruned=pruned)
    return _looked_into(judge, looked, golden, candidate)


def _looked_into(
    judge: Judge, looked: Looked, golden: Recorded | None, candidate: Candidate | None
) -> Looked:
    """The same with its layers, what is to be said of the calibration data, and the cause where it fails."""
    evaluation, inside, cause = looked.evaluation, None, None
    worst = min(evaluation.outputs, key=lambda row: row.cosine).worst if evaluation else 0
    if candidate is not None:
        inside = layers.look(judge, candidate.folder, candidate.report, worst)
        if inside is None and looked.fault == "model":
            inside = cutting.first(judge, candidate.folder, candidate.report, worst)
    if looked.fault == "pre" and golden is not None:
        rows = looked.stages["pre"].rows or {}
        cause = diagnose.pre_cause(judge, golden, min(rows.values(), key=lambda row: row["cosine"])["worst"])
    elif looked.fault == "model" and candidate is not None:
        cause = pruning.cause(looked.pruned, judge) or diagnose.model_cause(judge, candidate, inside, worst)
    elif looked.fault == "post" and golden is not None:
        cause = diagnose.post_cause(judge, golden)
    said = diagnose.calibration(judge)
    warned: tuple[str, ...] = ()
    if said is not None and said["one_sided"]:
        warned = (f"the calibration data looks one-sided: {diagnose.one_sided(said)}",)
    score = evaluation.score if evaluation else None
    if score is not None and score.trained < FEW:
        told = f"the trained model itself has {score.metric} {score.trained:.4f} on model.accuracy's data"
        warned += (f"{told}: a gate on its fall shows little; compare the labels with what `post` says",)
    return replace(looked, layers=inside, cause=cause, warnings=warned)


def _facts(work: Work) -> dict[str, Any]:
    """What was built, of what, by which tool."""
    choice, manifest = work.choice, work.project.manifest
    converted = work.result("convert")
    about = choice.recipe.about
    kept = ("seconds", "peak_mb", "warnings", "kept", "search", "rescued_by", "tool")
    return {
        "project": manifest.name,
        "version": manifest.version,
        "model": manifest.model.file,
        "target": choice.target.id,
        "target_name": choice.target.about.name,
        "chip": choice.target.chip,
        "runtime": choice.runtime,
        "precision": choice.precision,
        "recipe": choice.recipe.id,
        "simulator": about.simulator.model_dump(mode="json", by_alias=True) if about.simulator else None,
        "conversion": {
            "bytes": sum(output.size for output in converted.outputs.values()),
            "files": sorted(converted.outputs),
            **{name: converted.report[name] for name in kept if name in converted.report},
        },
        "trained_bytes": sum(output.size for output in work.result("prepare").outputs.values()),
        "part": _part(work),
        "quantisation": choice.options.quantisation.model_dump(mode="json", exclude_none=True),
        "fed": {
            n.removesuffix(".npz"): arrays.count(work.store.blob(o.sha256))
            for n, o in work.result("feed").outputs.items()
            if n != parts.VECTORS and not n.endswith(blocks.PLACES_FILE)
        },
    }


def _part(work: Work) -> dict[str, Any] | None:
    """Which part of a split model, and what crosses the cut; None where it is whole."""
    cut = cut_of(work)
    return {"name": work.choice.part, "crossing": list(cut.crossing)} if cut else None


def _verdict(work: Work, looked: Looked) -> dict[str, Any]:
    # Inner tensors have no gate of their own: where the outputs hold, none of them is at fault.
    first = looked.layers.first if looked.layers and looked.fault == "model" else None
    found = looked.evaluation.as_dict() if looked.evaluation else {"samples": 0, "outputs": {}}
    ok = None if looked.evaluation is None and not looked.fault else looked.fault is None
    return {
        **found,
        "ok": ok,
        "state": state(work, ok),
        "fault": looked.fault,
        "cause": asdict(looked.cause) if looked.cause else None,
        "layers": [dict(row) for row in looked.layers.rows] if looked.layers else [],
        "first": dict(first) if first else None,
        "looked": {"how": looked.layers.how, "note": looked.layers.note} if looked.layers else None,
        "warnings": [*_told_before(work), *looked.warnings],
        "pruned": looked.pruned.as_dict() if looked.pruned else None,
        "stages": {name: looked.stages[name].as_dict() for name in STAGES if name in looked.stages},
    }


def _told_before(work: Work) -> list[str]:
    """What the steps before had to say: where the model was cut, and of the data."""
    cut = work.result("prepare").report.get("warnings", []) if work.choice.part else []
    return [*cut, *work.result("feed").report.get("warnings", [])]


def state(work: Work, ok: bool | None) -> str:
    """The words for proof."""
    about = work.choice.recipe.about
    if ok is False:
        return "failed"
    # What a device answered on somebody's host was never seen by those who wrote the recipe.
    if about.simulator is None or about.simulator.kind == "device":
        return "by contract only"
    where = " on this host" if about.simulator.kind == "runtime" else ""
    return f"verified on emulator or simulator ({about.simulator.name}{where})"


def _error(judge: Judge, looked: Looked, body: Mapping[str, Any]) -> ConvertParityError:
    work, stage = judge.work, looked.fault
    assert stage is not None
    line = work.project.document.line(("model", "golden"))
    what = {
        "pre": "the shipped `pre` does not make what the model was trained on",
        "model": "the converted model does not compute what was trained",
        "post": "the shipped `post` does not make of the outputs what was recorded",
    }[stage]
    cause = looked.cause
    unmended = "; ".join([looked.stages[stage].why, *looked.warnings, NO_CAUSE])
    why = f"{cause.words}; {cause.mended}" if cause else unmended
    see = f"see {place(work.project, work.choice.target.id, 'html').relative_to(work.project.folder)}"
    return ConvertParityError(
        f"{work.choice.target.id}: {what}",
        where=f"stage {stage}; {work.project.manifest.model.golden} (edgepack.yaml:{line})",
        why=why,
        fix=f"{cause.fix}; {see}" if cause else see,
        detail=_table(judge, body),
    )


def _first(judge: Judge, body: Mapping[str, Any]) -> str:
    simulator = judge.recipe.about.simulator
    if body["first"] or (body["looked"] and body["looked"]["note"]):
        return Layers((), body["first"], **body["looked"]).told()
    if simulator is not None and not simulator.taps:
        return f"not known: {simulator.name} gives no intermediate tensors"
    return "none of those that can be compared"


def _table(judge: Judge, body: Mapping[str, Any]) -> str:
    """The numbers of each stage, a line an output or a field."""
    lines = []
    for name, stage in body["stages"].items():
        verdict = {True: "holds", False: "is off", None: "not held to anything"}[stage["ok"]]
        lines.append(f"{name}: {verdict} ({stage['compared']})")
        for row_name, row in stage["rows"].items():
            if "cosine" in row:
                said = f"cosine {row['cosine']:.6f} (≥ {row['least']:g})"
                said += f"   largest error {row['max_abs']:.3g} (≤ {row['limit']:.3g})"
            else:
                said = f"{row['agree']} of {row['of']} samples agree"
            lines.append(f"  {row_name:<16} {said}")
    if body["fault"] == "model":
        lines.append(f"first diverging layer: {_first(judge, body)}")
    score = body.get("score")
    if score:
        lines.append(
            f"{score['metric']}: trained {score['trained']:.4f}, converted {score['converted']:.4f} "
            f"on {score['of']} inputs (may fall by {score['max_drop']:g})"
        )
    return "\n".join(lines)


def _line(looked: Looked, body: Mapping[str, Any]) -> str:
    if looked.evaluation is None:
        return f"{body['state']}: nothing on this host computes what {body['recipe']} writes"
    said = f"cosine {looked.evaluation.cosine:.6f}"
    score = looked.evaluation.score
    if score is not None:
        said += f", {score.metric} {score.converted:.4f} (trained {score.trained:.4f})"
    if looked.pruned is not None:
        said += f", {looked.pruned.share:.0%} of the weights pruned"
    return "; ".join([f"{said}: {body['state']}", *(f"warning: {words}" for words in body["warnings"])])
