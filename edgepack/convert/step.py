"""The build's first stage: the trained model into the format that the target's runtime reads."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from edgepack.convert.recipe import Request, convert
from edgepack.errors import EdgepackError
from edgepack.plan.step import Work


def run(work: Work) -> str:
    """Convert and keep the result; returns a line on it. Raises what ``convert`` raises."""
    step, choice, manifest = work.step("convert"), work.choice, work.project.manifest
    log = work.log("convert")
    log.unlink(missing_ok=True)
    out = Path(tempfile.mkdtemp(prefix="edgepack-out-"))
    try:
        request = Request(work.project.file(manifest.model.file), choice.precision, out, {})
        converted = convert(choice.recipe, request, log, work.progress)
        kept = work.store.put(step.key, converted.files, converted.report)
    except EdgepackError as error:
        line = work.project.document.line(("model", "file"))
        error.where = f"{manifest.model.file} (edgepack.yaml:{line})"
        raise
    finally:
        shutil.rmtree(out, ignore_errors=True)
    remember_layers(work.project.folder, step.key, list(converted.report.get("layers") or []))
    size = sum(output.size for output in kept.outputs.values())
    return f"{choice.recipe.about.from_} → {choice.recipe.about.to}, {size / 1e3:,.0f} kB"


def remember_layers(folder: Path, key: str, layers: list[str]) -> None:
    """Tell the next plan what this conversion uses, so that it picks the fitting runtime at once."""
    file = folder / ".edgepack" / "layers.json"
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        known = {}
    known = {**dict(list(known.items())[-31:]), key: layers}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(known))
    beside.replace(file)
