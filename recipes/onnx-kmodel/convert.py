"""ONNX to Canaan's .kmodel by nncase 1.9, computed by its simulator and held to ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, kmodel

SESSION = Path(__file__).resolve().parent / "session.py"
OPSETS = (7, 19)  # recipe.yaml says why
FLOAT = {"k210": "fp32", "k510": "bf16"}
METHODS = ("mse", "minmax", "percentile")  # the first is the default: recipe.yaml says why
SAMPLES = {"k210": 4, "k510": 1}  # K510's simulator takes seconds for each


def convert(request: Request) -> dict[str, Any]:
    """The report, with ``model.kmodel`` in ``out``. Raises Refused."""
    chip = request.chip
    if chip not in FLOAT:
        raise Refused(
            "converter-failed", "a kmodel of nncase 1.9 is for k210 or k510", fix="name a target with one"
        )
    if request.precision not in ("int8", FLOAT[chip]):
        what = f"nncase has no {request.precision} for {chip}"
        raise Refused("converter-failed", what, fix=f"use int8 or {FLOAT[chip]}")
    method = kmodel.method(request, METHODS)
    nncase = kmodel.Nncase(SESSION, OPSETS, SAMPLES[chip])
    return kmodel.convert(request, nncase, request.precision == "int8", target=chip, method=method)
