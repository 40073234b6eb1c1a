"""ONNX to Paddle's inference model by x2paddle, for a server that loads those; Paddle computes it here."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convert import HERE, OPSETS, compared, to_paddle
from edgepack_recipe import Refused, Request, step, trained

FILES = ("model.pdmodel", "model.pdiparams")


def inference(request: Request) -> dict[str, Any]:
    """The report, with the model and its weights in ``out``. Raises Refused.

    Inputs and outputs have the trained model's names, and ``paddle``: what they are called in the file.
    """
    if request.precision != "fp32":
        raise Refused(
            "converter-failed", f"no inference model is made in {request.precision}", fix="use fp32"
        )
    reference = trained.read(request.model, OPSETS)
    folder = _named(to_paddle(reference, request.work / "paddle"), reference, request.work / "named")
    found = compared(folder, None, request, reference)
    names = found.pop("names")
    for name in FILES:
        shutil.copyfile(folder / name, request.out / name)
    return {
        "files": list(FILES),
        "inputs": [_row(tensor, names["inputs"]) for tensor in reference.inputs],
        "outputs": [_row(tensor, names["outputs"]) for tensor in reference.outputs],
        "tool": {"name": "x2paddle", "version": version("x2paddle")},
        **found,
    }


def _named(paddle: Path, reference: trained.Trained, work: Path) -> Path:
    """The folder with the model whose inputs have the trained model's names. Raises Refused."""
    work.mkdir()
    (work / "inputs.json").write_text(json.dumps([tensor.name for tensor in reference.inputs]))
    done = step(HERE / "named.py", paddle / "model", "inputs.json", work / "model", cwd=work)
    if not all((work / name).is_file() for name in FILES):
        what = f"Paddle does not save the model again: {done.ended('it')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    return work


def _row(tensor: trained.Tensor, names: dict[str, str]) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "paddle": names[tensor.name],
        "shape": list(tensor.shape),
        "dtype": "float32",
    }
