"""The build's last stage where edgepack has no program for a runtime: the converted model in ``dist/``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from edgepack.manifest.project import Project
from edgepack.model import golden
from edgepack.package import on_box
from edgepack.plan.step import Plan, Work
from edgepack.store import Store, digest_file, digest_of

VECTORS = "golden.npz"


def run(work: Work) -> str:
    """Copy the files beside their report; returns a line on it."""
    target = work.choice.target.id
    dest = folder(work.project, target)
    beside = dest.with_name(f".{dest.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
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
    shutil.rmtree(dest, ignore_errors=True)
    beside.rename(dest)
    note = {"key": work.step("model").key, "files": _digests(dest)}
    file = _note_file(work.project, target)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(note))
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


def folder(project: Project, target: str) -> Path:
    """Where the model of a target lies: ``dist/<name>@<target>.model``."""
    return project.folder / "dist" / f"{project.manifest.name}@{target}.model"


def handed_over(project: Project) -> frozenset[str]:
    """Keys of the steps whose files still lie in ``dist/`` as they left them."""
    kept = set()
    for target in project.manifest.targets:
        try:
            note = json.loads(_note_file(project, target).read_bytes())
            if _digests(folder(project, target)) == note["files"]:
                kept.add(str(note["key"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return frozenset(kept)


def digest(place: Path) -> str:
    """One digest for all of a model's files."""
    return f"sha256:{digest_of(_digests(place))}"


def _digests(place: Path) -> dict[str, str]:
    files = sorted(p for p in place.rglob("*") if p.is_file())
    return {p.relative_to(place).as_posix(): digest_file(p) for p in files}


def _note_file(project: Project, target: str) -> Path:
    return project.folder / ".edgepack" / "packaged" / f"{target}.model.json"
