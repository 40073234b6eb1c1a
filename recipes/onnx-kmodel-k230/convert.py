"""ONNX to Canaan's .kmodel for K230 by nncase 2, computed by its simulator and held to ONNX Runtime."""

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
PRECISIONS = ("int8", "int16x8")
METHODS = ("kl", "minmax")
SAMPLES = 2
COMPLAINT = re.compile(r"error|what\(\)|can't|not support|unsupport|not implement|assert", re.IGNORECASE)


def convert(request: Request) -> dict[str, Any]:
    """The report, with ``model.kmodel`` in ``out``. Raises Refused."""
    chip = request.chip
    if chip != "k230":
        raise Refused("converter-failed", "a kmodel of nncase 2 is for k230", fix="name a target with one")
    if request.precision not in PRECISIONS:
        what = f"nncase has no {request.precision} for {chip}"
        raise Refused("converter-failed", what, fix="use one of: " + ", ".join(PRECISIONS))
    environment = dotnet()
    method = request.quantisation.get("method", METHODS[0])
    if method not in METHODS:
        raise Refused("converter-failed", f"nncase has no {method}", fix="use one of: " + ", ".join(METHODS))
    model = trained.read(request.model, OPSETS)
    folder = request.work / "nncase"
    folder.mkdir()
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(str(model.file))), str(folder / "model.onnx"))
    samples = _samples(request, model, SAMPLES)
    done = session(
        folder,
        model,
        environment,
        target=chip,
        precision=request.precision,
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


def session(
    folder: Path, model: trained.Trained, environment: dict[str, str], **asked: Any
) -> dict[str, Any]:
    """A run of ``session.py``: what it says when it is done. Raises Refused."""
    names = {"input_names": [t.name for t in model.inputs], "output_names": [t.name for t in model.outputs]}
    (folder / "asked.json").write_text(json.dumps({**asked, **names}))
    done = step(HERE / "session.py", "asked.json", cwd=folder, timeout_s=2400, env=environment)
    try:
        return dict(json.loads((folder / "done.json").read_text()))
    except (OSError, ValueError):
        raise _failed(model, done.ended("nncase"), done.noise) from None


def _calibration(request: Request, model: trained.Trained) -> str:
    if request.calibration is None:
        what = f"{request.precision} needs calibration data"
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
