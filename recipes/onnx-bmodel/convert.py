"""ONNX to Sophgo's .bmodel and .cvimodel by tpu_mlir, computed by the chip's simulator and held to ONNX
Runtime."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import toolkit
from edgepack_recipe import Refused, Request, held, tensors, trained

OPSETS = (7, 19)  # recipe.yaml says why
SAMPLES = 4


def convert(request: Request) -> dict[str, Any]:
    """The report, with ``model.bmodel`` or ``model.cvimodel`` in ``out``. Raises Refused."""
    if request.chip is None:
        raise Refused("converter-failed", "a bmodel is for one chip", fix="name a target with a Sophgo TPU")
    if request.precision not in toolkit.MODES:
        what = f"tpu_mlir has no {request.precision}"
        raise Refused("converter-failed", what, fix="use one of: " + ", ".join(toolkit.MODES))
    model = trained.read(request.model, OPSETS)
    calibrated = request.precision in toolkit.CALIBRATED
    asked = toolkit.Asked(
        model,
        request.chip,
        request.precision,
        request.quantisation,
        request.calibration,
        request.keep if calibrated else (),
    )
    deployed = toolkit.deploy(asked, request.work)
    samples = _samples(request, model)
    answers = toolkit.simulate(deployed.tree, deployed.file, samples, request.work / "look")
    outputs = toolkit.named(model, answers)
    pairs = [
        ({name: array[number : number + 1] for name, array in outputs.items()}, model.run(feeds))
        for number, feeds in enumerate(tensors.samples(samples))
    ]
    parity = held.hold("tpu_mlir's simulator", request.precision, pairs)
    shutil.copyfile(deployed.file, request.out / deployed.file.name)
    lost = [node for node in asked.keep if node not in deployed.kept]
    return {
        "files": [deployed.file.name],
        "inputs": [
            {"name": t.name, "tensor": t.name, "shape": list(t.shape), "dtype": "float32", "layout": "NCHW"}
            for t in model.inputs
        ],
        "outputs": [
            {"name": name, "tensor": t.name, "shape": list(t.shape)}
            for name, t in zip(answers, model.outputs, strict=True)
        ],
        "layers": [],
        "operators": model.counts(),
        "parity": parity,
        "tool": {"name": "tpu_mlir", "version": version("tpu_mlir")},
        "warnings": [f"{node} is fused into another layer, and is quantised with it" for node in lost],
        "kept": sorted(deployed.kept),
        # what run.py needs for the tensors between the layers
        "asked": {
            "precision": asked.precision,
            "quantisation": dict(asked.quantisation),
            "keep": list(asked.keep),
        },
    }


def _samples(request: Request, model: trained.Trained) -> Path:
    """Inputs for a first look: of the calibration data, or random ones."""
    found = request.calibration and [
        s for _, s in zip(range(SAMPLES), tensors.samples(request.calibration), strict=False)
    ]
    chosen = found or list(trained.draws(model, SAMPLES))
    file = request.work / "look.npz"
    tensors.save(file, tensors.stacked(chosen))
    return file
