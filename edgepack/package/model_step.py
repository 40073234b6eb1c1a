"""The build's last stage where edgepack has no program for a runtime: the converted model in ``dist/``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from edgepack.model import golden
from edgepack.package import handed, on_box
from edgepack.plan.step import Plan, Work
from edgepack.store import Store

VECTORS = "golden.npz"


def run(work: Work) -> str:
    """Copy the files beside their report; returns a line on it."""
    target = work.choice.target.id
    beside = handed.begun(work.project, target, "model")
    converted = work.result("convert")
    for name, output in converted.outputs.items():
        place = beside / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.store.blob(output.sha256), place)
    _put_vectors(work, beside)
    body = {"target": target, "runtime": work.choice.runtime, "precision": work.choice.precision}
    report = {**body, "conversion": converted.report, "proof": proof(work.plan, target, work.store)}
    on_box.write(beside, converted.outputs)
    (beside / "model.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    dest = handed.finish(work.project, target, "model", work.step("model").key)
    return str(dest.relative_to(work.project.folder))


def _put_vectors(work: Work, beside: Path) -> None:
    """A part of a split model has golden vectors of its own, which lie with it: ``golden.npz``."""
    fed = work.store.get(work.step("feed").key) if work.choice.part and "feed" in work.chain else None
    if fed is not None and golden.PART in fed.outputs:
        shutil.copyfile(work.store.blob(fed.outputs[golden.PART].sha256), beside / VECTORS)


def proof(plan: Plan, target: str, store: Store) -> dict[str, Any]:
    """What was shown of a converted model on this host, and in which words."""
    result = store.get(plan.step(target, "parity").key) if "parity" in plan.chains[target] else None
    if result is None:
        return {"state": "no golden vectors: nothing is proven (model.golden)", "ok": None}
    return dict(result.report)
