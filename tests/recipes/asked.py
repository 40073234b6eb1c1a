"""A recipe's program, started by the kit's launcher in the recipe's own environment, and what it answers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepack.tools import uv
from edgepack.tools.runner import command, run

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"

Report = dict[str, Any]
Floats = NDArray[np.float32]


def convert(recipe: str, model: Path, precision: str = "fp32", **rest: object) -> Report:
    """The report of ``convert.py``, with ``folder`` added; no file may lie there that it does not name."""
    report = _launch(recipe, "convert.py", {"model": str(model), "precision": precision, **rest})
    left = {path.name for path in report["folder"].iterdir()}
    assert left == {"report.json", *report.get("files", [])}
    return report


def ask(recipe: str, program: str, model: Path, **options: object) -> Report:
    """The report of another program of a recipe's, with ``folder`` added."""
    return _launch(recipe, program, {"model": str(model), "precision": "fp32", "options": options})


def said(report: Report) -> Report:
    """What is the same each time."""
    changing = {"folder", "seconds", "cpu_s", "peak_mb"}
    return {name: value for name, value in report.items() if name not in changing}


def compute(recipe: str, report: Report, inputs: Path, taps: tuple[str, ...] = ()) -> dict[str, Floats]:
    """What ``run.py`` makes of what ``convert`` wrote: outputs, and ``tap:NAME`` for each tap."""
    body = {"model": str(report["folder"]), "report": said(report), "inputs": str(inputs), "taps": list(taps)}
    answer = _launch(recipe, "run.py", body)
    assert answer["ok"], answer
    with np.load(answer["folder"] / "outputs.npz") as found:
        return {name: found[name] for name in found.files}


def _launch(recipe: str, program: str, body: dict[str, object]) -> Report:
    python = uv.environment(RECIPES / recipe / "requirements.txt", "3.11")
    private = Path(tempfile.mkdtemp(prefix=f"{recipe}-"))
    out, work, request = private / "out", private / "work", private / "request.json"
    out.mkdir()
    work.mkdir()
    request.write_text(json.dumps({**body, "out": str(out), "work": str(work)}))
    launch = RECIPES / "kit" / "launch.py"
    done = run(command(python, "-IB", launch, RECIPES / recipe / program, request, timeout_s=300))
    assert done.ok, done.text()
    report: Report = json.loads((out / "report.json").read_text())
    return report | {"folder": out}


def cosines(given: Floats, wanted: Floats) -> Floats:
    """One a sample: (N, …) and (N, …) to (N,)."""
    a, b = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (given, wanted))
    return np.asarray((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
