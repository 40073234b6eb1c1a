"""ONNX to ONNX: checked, in one file, static; on request simplified, pruned, split, in another opset.

Options: ``simplify: true``, ``opset: 13``, ``prune: {magnitude: 0.3}``, ``split: {at: TENSOR, part: before}``
(or ``after``), ``shapes: {INPUT: [1, 3, 160, 160]}``, ``strip_defaults: true``. ``sensitivity: {…}`` leaves
the model alone and ranks its layers (sensitivity.py). The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, step

HERE = Path(__file__).resolve().parent


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    if "sensitivity" in request.options:
        from sensitivity import sensitivity

        return sensitivity(request)
    asked, answer = request.work / "asked.json", request.work / "answer.json"
    asked.write_text(json.dumps(_as_json(request)))
    done = step(HERE / "prepare.py", asked, answer, cwd=request.work / "prepare", timeout_s=600)
    try:
        report = json.loads(answer.read_text())
    except (OSError, ValueError):
        raise Refused(
            "not-a-model",
            f"{request.model.name} cannot be read: {done.ended('the check')}",
            why="the file is damaged, or too large for this machine's memory",
            fix="export the model again, and check it with: python -m onnx.checker, then ONNX Runtime",
            detail=done.noise[-1500:],
        ) from None
    if "error" in report:
        raise Refused(**report["error"])
    return dict(report)


def _as_json(request: Request) -> dict[str, Any]:
    paths = {name: str(getattr(request, name)) for name in ("model", "out", "work")}
    return {**paths, "precision": request.precision, "options": request.options}
