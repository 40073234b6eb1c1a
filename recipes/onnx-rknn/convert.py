"""ONNX to RKNN by rknn-toolkit2, computed by its simulator and held to ONNX Runtime."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, held, tensors, trained
from toolkit import DTYPES, Asked, build

OPSETS = (7, 19)  # recipe.yaml says why
SAMPLES = 4


def convert(request: Request) -> dict[str, Any]:
    """The report, with ``model.rknn`` in ``out``. Raises Refused."""
    if request.chip is None:
        raise Refused(
            "converter-failed", "a model in rknn is for one chip", fix="name a target with a Rockchip NPU"
        )
    if request.precision != "fp16" and request.precision not in DTYPES:
        what = f"rknn-toolkit2 has no {request.precision}"
        raise Refused("converter-failed", what, fix="use fp16, or one of: " + ", ".join(DTYPES))
    if request.quantisation.get("scheme", "asymmetric") != "asymmetric" and request.precision == "int8":
        what = "rknn-toolkit2 quantises activations asymmetrically only"
        raise Refused("converter-failed", what, fix="leave quantisation.scheme out")
    model = trained.read(request.model, OPSETS)
    asked = Asked(
        model,
        request.chip,
        request.precision,
        request.quantisation,
        request.calibration,
        request.keep if request.precision != "fp16" else (),
    )
    samples = _samples(request, model)
    built = build(asked, request.work / "build", samples)
    pairs = [
        ({name: array[number : number + 1] for name, array in built.answers.items()}, model.run(feeds))
        for number, feeds in enumerate(tensors.samples(samples))
    ]
    parity = held.hold("rknn-toolkit2's simulator", request.precision, pairs)
    shutil.copyfile(built.file, request.out / "model.rknn")
    lost = [node for node in asked.keep if node not in built.kept]
    return {
        "files": ["model.rknn"],
        "inputs": [_input(number, tensor) for number, tensor in enumerate(model.inputs)],
        "outputs": [
            {"name": f"out{n}", "tensor": t.name, "shape": list(t.shape)} for n, t in enumerate(model.outputs)
        ],
        "layers": [],
        "operators": model.counts(),
        "parity": parity,
        "tool": {"name": "rknn-toolkit2", "version": version("rknn-toolkit2")},
        "warnings": [f"{node} is fused into another layer, and is quantised with it" for node in lost],
        "kept": sorted(built.kept),
        # what run.py needs to make the same file again
        "asked": {
            "precision": asked.precision,
            "quantisation": dict(asked.quantisation),
            "keep": list(asked.keep),
            "fixed_addresses": built.fixed,
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


def _input(number: int, tensor: trained.Tensor) -> dict[str, Any]:
    """librknnrt takes float32 in NHWC for four dimensions, and quantises it itself."""
    shape = list(tensor.shape)
    four = len(shape) == 4
    if four:
        shape = [shape[0], shape[2], shape[3], shape[1]]
    entry = {"name": f"in{number}", "tensor": tensor.name, "shape": shape, "dtype": "float32"}
    return {**entry, "layout": "NHWC"} if four else entry
