"""ONNX to Canaan's .kmodel by nncase 1.9, computed by its simulator and held to ONNX Runtime."""

from __future__ import annotations

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from edgepack_recipe import Refused, Request, held, step, tensors, trained

HERE = Path(__file__).resolve().parent
OPSETS = (7, 19)  # recipe.yaml says why
FLOAT = {"k210": "fp32", "k510": "bf16"}
METHODS = ("minmax", "mse", "percentile")
SAMPLES = {"k210": 4, "k510": 1}  # K510's simulator takes seconds for each
COMPLAINT = re.compile(r"error|what\(\)|can't|not support|unsupport|not implement|assert", re.IGNORECASE)


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
    method = request.quantisation.get("method", METHODS[0])
    if method not in METHODS:
        raise Refused("converter-failed", f"nncase has no {method}", fix="use one of: " + ", ".join(METHODS))
    model = trained.read(request.model, OPSETS)
    folder = request.work / "nncase"
    folder.mkdir()
    # nncase infers no shapes: "Can't find value info for … to parse its shape"
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(str(model.file))), str(folder / "model.onnx"))
    samples = _samples(request, model, SAMPLES[chip])
    done = session(
        folder,
        model,
        target=chip,
        kmodel="model.kmodel",
        inputs=str(samples),
        calibration=_calibration(request, model),
        method=method,
    )
    answers = tensors.load(folder / "answers.npz")
    pairs = [
        ({name: array[number : number + 1] for name, array in answers.items()}, model.run(feeds))
        for number, feeds in enumerate(tensors.samples(samples))
    ]
    parity = held.hold("nncase's simulator", request.precision, pairs)
    shutil.copyfile(folder / "model.kmodel", request.out / "model.kmodel")
    return {
        "files": ["model.kmodel"],
        "inputs": [
            {"name": f"in{n}", "tensor": t.name, "shape": list(t.shape), "dtype": "float32", "layout": "NCHW"}
            for n, t in enumerate(model.inputs)
        ],
        "outputs": [
            {"name": f"out{n}", "tensor": t.name, "shape": list(t.shape)} for n, t in enumerate(model.outputs)
        ],
        "layers": [],
        "operators": model.counts(),
        "parity": parity,
        "tool": {"name": "nncase", "version": version("nncase")},
        "warnings": []
        if done["fixed_addresses"]
        else ["this host's container makes the file's gaps differ each time"],
        "kept": [],
    }


def session(folder: Path, model: trained.Trained, **asked: Any) -> dict[str, Any]:
    """A run of ``session.py``: what it says when it is done. Raises Refused."""
    names = {"input_names": [t.name for t in model.inputs], "output_names": [t.name for t in model.outputs]}
    (folder / "asked.json").write_text(json.dumps({**asked, **names}))
    done = step(HERE / "session.py", "asked.json", cwd=folder, timeout_s=2400)
    try:
        return dict(json.loads((folder / "done.json").read_text()))
    except (OSError, ValueError):
        raise _failed(model, done.ended("nncase"), done.noise) from None


def _calibration(request: Request, model: trained.Trained) -> str | None:
    if request.precision != "int8":
        return None
    if request.calibration is None:
        what = "int8 needs calibration data"
        raise Refused("unsupported-input", what, fix="name some in edgepack.yaml: model.calibration.data")
    known = tensors.load(request.calibration)
    missing = [t.name for t in model.inputs if t.name not in known]
    if missing:
        raise Refused("unsupported-input", f"the calibration data has nothing for the input {missing[0]}")
    return str(request.calibration)


def _samples(request: Request, model: trained.Trained, count: int) -> Path:
    """Inputs for a first look: of the calibration data, or random ones."""
    found = request.calibration and [
        s for _, s in zip(range(count), tensors.samples(request.calibration), strict=False)
    ]
    file = request.work / "look.npz"
    tensors.save(file, tensors.stacked(found or list(trained.draws(model, count))))
    return file


def _failed(model: trained.Trained, ended: str, noise: str) -> Refused:
    """nncase's own complaint, with the model's nodes that it is about."""
    complaint = "\n".join(dict.fromkeys(line for line in noise.splitlines() if COMPLAINT.search(line)))
    words = set(re.findall(r"\w+", complaint))
    named = [f"{op} (node {', '.join(nodes[:5])})" for op, nodes in model.operators.items() if op in words]
    detail = f"{(complaint or noise)[-1500:]}\n[{ended}]"
    if named and re.search("support|not found|implement", complaint, re.IGNORECASE):
        return Refused("unsupported-operator", f"nncase cannot convert {'; '.join(named)}", detail=detail)
    return Refused("converter-failed", ended, detail=detail)
