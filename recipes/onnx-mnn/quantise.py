"""MNN's post-training quantisation, in the words of docs/design/recipes.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe import Refused, Request, step, tensors, trained

TOOL = Path(__file__).resolve().parent / "tool.py"
METHODS = {"kl": ("KL", "MAX_ABS"), "admm": ("ADMM", "ADMM"), "ema": ("EMA", "MAX_ABS")}
WEIGHTED = ("Convolution", "ConvolutionDepthwise")  # what it quantises, and what the skip list is about


def quantised(made: Path, layers: dict[str, Any], reference: trained.Trained, request: Request) -> Path:
    """The .mnn with 8-bit convolutions and matrix products. Raises Refused."""
    if request.calibration is None:
        raise Refused("unsupported-input", "int8 needs calibration data", fix="set model.calibration")
    work = request.work / "quantise"
    count = _write_samples(request.calibration, work / "samples", reference)
    activations, weights = METHODS[request.quantisation.get("method", "kl")]
    configuration = {
        "path": f"{work / 'samples'}/",
        "input_type": "sequence",
        "used_sample_num": count,
        "feature_quantize_method": activations,
        "weight_quantize_method": weights,
        "skip_quant_op_names": _skipped(layers, reference, request.keep),
        # It asks for these of every input, and uses them for images alone.
        "format": "RGB",
        "mean": [0.0],
        "normal": [1.0],
        "width": 1,
        "height": 1,
    }
    (work / "quantise.json").write_text(json.dumps(configuration))
    file = work / "model.int8.mnn"
    done = step(TOOL, "mnnquant", made, file, work / "quantise.json", cwd=work, timeout_s=1800)
    if "Quantize model done" not in done.noise or not file.is_file() or not file.stat().st_size:
        raise Refused(
            "converter-failed", done.ended("mnnquant") + " and wrote no model", detail=done.noise[-1500:]
        )
    return file


def _write_samples(calibration: Path, folder: Path, reference: trained.Trained) -> int:
    """A folder a sample: ``input.json`` says what is there, ``<input>.txt`` has the numbers. How many."""
    count = 0
    for sample in tensors.samples(calibration):
        place = folder / f"{count:05d}"
        place.mkdir(parents=True)
        about = [{"name": t.name, "shape": list(t.shape)} for t in reference.inputs]
        for tensor in reference.inputs:
            np.savetxt(place / f"{tensor.name}.txt", sample[tensor.name].ravel(), fmt="%.8g")
        told = {"inputs": about, "outputs": [t.name for t in reference.outputs]}
        (place / "input.json").write_text(json.dumps(told))
        count += 1
    return count


def _skipped(layers: dict[str, Any], reference: trained.Trained, keep: tuple[str, ...]) -> list[str]:
    """MNN's operators behind ONNX nodes: it names them after the node's output."""
    weighted = {layer["name"] for layer in layers["oplists"] if layer["type"] in WEIGHTED}
    found = []
    for node in reference.nodes_named(keep):
        own = [n for o in node.output for n in (o, f"{o}__matmul_converted") if n in weighted]
        if not own and node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            what = f"{node.name or node.output[0]} cannot be kept in floating point on its own"
            raise Refused("unsupported-input", what, "MNN merged it into another operator")
        found += own
    return found
