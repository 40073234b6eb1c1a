"""ONNX to TensorFlow's SavedModel by onnx2tf, with the names and the order of axes that were trained.

For a server that loads SavedModels. TensorFlow itself computes what was written, held to ONNX Runtime.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import litert
import numpy as np
from convert import OPSETS, SAMPLES, onnx2tf, place_of
from edgepack_recipe import Refused, Request, held, step, tensors, trained

HERE = Path(__file__).resolve().parent
SIGNATURE = "serving_default"


def savedmodel(request: Request) -> dict[str, Any]:
    """The report, with the SavedModel's files in ``out``. Raises Refused."""
    if request.precision != "fp32":
        raise Refused("converter-failed", f"no SavedModel is made in {request.precision}", fix="use fp32")
    model = trained.read(request.model, OPSETS)
    made = onnx2tf(request, model).parent
    feeds = list(trained.draws(model, SAMPLES))
    wanted = [model.run(feed) for feed in feeds]
    inputs = request.work / "inputs.npz"
    tensors.save(inputs, tensors.stacked(feeds))
    raw = _asked(request, {"do": "compute", "model": str(made), "inputs": str(inputs)}, "raw")
    places = [place_of(raw, tensor, wanted) for tensor in model.outputs]
    served = {
        "do": "serve",
        "model": str(made),
        "inputs": str(inputs),
        "signature": SIGNATURE,
        "takes": [[t.name, list(t.shape)] for t in model.inputs],
        "gives": [
            [t.name, place.name, place.channels_last, list(t.shape)]
            for t, place in zip(model.outputs, places, strict=True)
        ],
    }
    found = _asked(request, served, "saved")
    answers = [{t.name: found.answers[t.name][n] for t in model.outputs} for n in range(len(feeds))]
    parity = held.hold("TensorFlow", request.precision, zip(answers, wanted, strict=True))
    saved = request.work / "saved" / "model"
    shutil.copytree(saved, request.out, dirs_exist_ok=True)
    return {
        "files": [p.relative_to(saved).as_posix() for p in sorted(saved.rglob("*")) if _whole(p)],
        "inputs": [{"name": t.name, "shape": list(t.shape), "dtype": "float32"} for t in model.inputs],
        "outputs": [{"name": t.name, "shape": list(t.shape), "dtype": "float32"} for t in model.outputs],
        "signature": SIGNATURE,
        "parity": parity,
        "tool": {"name": "onnx2tf", "version": version("onnx2tf")},
    }


def _whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _asked(request: Request, asked: dict[str, Any], name: str) -> litert.Computed:
    """``saving.py`` in a process of its own. Raises Refused."""
    work = request.work / name
    work.mkdir()
    (work / "asked.json").write_text(json.dumps(asked))
    done = step(HERE / "saving.py", "asked.json", cwd=work, timeout_s=900, env=litert.QUIET)
    if not (work / "done.json").is_file():
        what = f"TensorFlow does not take what onnx2tf wrote: {done.ended('it')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    with np.load(work / "answers.npz", allow_pickle=False) as found:
        answers = {key: found[key] for key in found.files}
    return litert.Computed(json.loads((work / "done.json").read_text()), answers)
