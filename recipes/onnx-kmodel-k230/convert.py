"""ONNX to Canaan's .kmodel for K230 by nncase 2, computed by its simulator and held to ONNX Runtime."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, kmodel

SESSION = Path(__file__).resolve().parent / "session.py"
OPSETS = (7, 19)  # recipe.yaml says why
PRECISIONS = ("int8", "int16x8")
METHODS = ("kl", "minmax")
SAMPLES = 2


def convert(request: Request) -> dict[str, Any]:
    """The report, with ``model.kmodel`` in ``out``. Raises Refused."""
    chip = request.chip
    if chip != "k230":
        raise Refused("converter-failed", "a kmodel of nncase 2 is for k230", fix="name a target with one")
    if request.precision not in PRECISIONS:
        what = f"nncase has no {request.precision} for {chip}"
        raise Refused("converter-failed", what, fix="use one of: " + ", ".join(PRECISIONS))
    nncase = kmodel.Nncase(SESSION, OPSETS, SAMPLES, dotnet())
    method = kmodel.method(request, METHODS)
    return kmodel.convert(request, nncase, True, target=chip, precision=request.precision, method=method)


def dotnet() -> dict[str, str]:
    """Where nncase's compiler looks for .NET. Raises Refused where there is none: nothing is started then."""
    program = shutil.which("dotnet")
    if program is None:
        raise Refused(
            "missing-tool",
            "nncase 2 needs .NET 7, which is not here",
            why="its compiler is a .NET program, and the Python packages do not bring .NET along",
            fix="install the .NET 7 runtime from dotnet.microsoft.com, and have `dotnet` on PATH",
        )
    return {"DOTNET_ROOT": str(Path(program).resolve().parent)}
