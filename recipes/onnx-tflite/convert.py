"""ONNX to TFLite by onnx2tf, computed by LiteRT and held to ONNX Runtime."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import litert
import numpy as np
from edgepack_recipe import Refused, Request, held, step, tensors, trained

HERE = Path(__file__).resolve().parent
OPSETS = (7, 22)  # recipe.yaml says why
FILES = {
    "fp32": "model_float32.tflite",
    "fp16": "model_float16.tflite",
    "int8-dynamic": "model_dynamic_range_quant.tflite",
    "int8": "model_integer_quant.tflite",
    "int16x8": "model_integer_quant_with_int16_act.tflite",
}
SAMPLES = 4
COMPLAINT = re.compile(r"error|not support|unsupport|not implement|Exception", re.IGNORECASE)


def convert(request: Request) -> dict[str, Any]:
    """The report, with ``model.tflite`` in ``out``. Raises Refused."""
    if request.precision not in FILES:
        what = f"onnx2tf has no {request.precision}"
        raise Refused("converter-failed", what, fix="use one of: " + ", ".join(FILES))
    model = trained.read(request.model, OPSETS)
    file = onnx2tf(request, model)
    samples = _samples(request, model)
    names = [tensor.name for tensor in model.inputs]
    computed = litert.compute(file, samples, names, request.work / "look")
    wanted = [model.run(feeds) for feeds in tensors.samples(samples)]
    found = [place_of(computed, t, wanted) for t in model.outputs]
    if len({place.name for place in found}) != len(computed.answers):
        raise Refused(
            "converter-failed", "onnx2tf lost an output", "there are: " + ", ".join(computed.answers)
        )
    outputs = {
        t.name: litert.arranged(computed.answers[place.name], t.shape, place.channels_last)
        for t, place in zip(model.outputs, found, strict=True)
    }
    pairs = [
        ({name: array[number : number + 1] for name, array in outputs.items()}, reference)
        for number, reference in enumerate(wanted)
    ]
    parity = held.hold("LiteRT", request.precision, pairs)
    shutil.copyfile(file, request.out / "model.tflite")
    return {
        "files": ["model.tflite"],
        "inputs": [_input(t, computed.said["inputs"][t.name]) for t in model.inputs],
        "outputs": [
            {
                "name": place.name,
                "tensor": t.name,
                "shape": computed.said["outputs"][place.name],
                "channels_last": place.channels_last,
                "onnx_shape": list(t.shape),
            }
            for t, place in zip(model.outputs, found, strict=True)
        ],
        "layers": computed.said["layers"],
        "operators": model.counts(),
        "parity": parity,
        "tool": {"name": "onnx2tf", "version": version("onnx2tf")},
        "warnings": [],
        "kept": [],
    }


def onnx2tf(request: Request, model: trained.Trained) -> Path:
    """The file of the precision. Raises Refused."""
    calibrated = request.precision in ("int8", "int16x8")
    if calibrated:
        if request.calibration is None:
            what = f"{request.precision} needs calibration data"
            raise Refused("unsupported-input", what, fix="name some in edgepack.yaml: model.calibration.data")
        known = tensors.load(request.calibration)
        missing = [t.name for t in model.inputs if t.name not in known]
        if missing:
            raise Refused("unsupported-input", f"the calibration data has nothing for the input {missing[0]}")
    folder = request.work / "onnx2tf"
    folder.mkdir()
    shutil.copyfile(model.file, folder / "model.onnx")
    asked = {
        "precision": request.precision,
        "granularity": request.quantisation.get("granularity", "per-channel"),
        "calibration": str(request.calibration) if calibrated else None,
        "input_names": [tensor.name for tensor in model.inputs],
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    done = step(HERE / "session.py", "asked.json", cwd=folder, timeout_s=1500, env=litert.QUIET)
    file = folder / "out" / FILES[request.precision]
    if done.code != 0 or not file.is_file() or file.read_bytes()[4:8] != b"TFL3":
        raise _failed(model, done.ended("onnx2tf"), done.noise)
    return file


@dataclass(frozen=True)
class Place:
    """What TFLite calls an output, and whether it has its channels last."""

    name: str
    channels_last: bool


def place_of(computed: litert.Computed, tensor: trained.Tensor, wanted: list[dict[str, np.ndarray]]) -> Place:
    """By name and shape where they tell; otherwise by the values: integer files call their outputs
    ``output_0`` and
    so on, and a shape like (1, 8, 8, 8) reads the same in both layouts. Raises Refused."""
    moved = (tensor.shape[0], *tensor.shape[2:], *tensor.shape[1:2])
    named = [tensor.name] if tensor.name in computed.answers else list(computed.answers)
    places = []
    for name in named:
        shape = tuple(computed.said["outputs"][name])
        places += [Place(name, False)] if shape == tensor.shape else []
        places += [Place(name, True)] if shape == moved and len(shape) > 2 else []
    if not places:
        there = ", ".join(f"{name} {tuple(shape)}" for name, shape in computed.said["outputs"].items())
        what = f"the converted model has no output like {tensor.name} {tensor.shape}"
        raise Refused("parity", what, f"there are: {there}")
    reference = np.concatenate([np.asarray(w[tensor.name]).reshape(tensor.shape) for w in wanted])

    def apart(place: Place) -> float:
        given = litert.arranged(computed.answers[place.name], tensor.shape, place.channels_last)
        return float(np.abs(given.astype(np.float64) - reference).mean())

    return min(places, key=apart)


def _samples(request: Request, model: trained.Trained) -> Path:
    """Inputs for a first look: of the calibration data, or random ones."""
    found = request.calibration and [
        s for _, s in zip(range(SAMPLES), tensors.samples(request.calibration), strict=False)
    ]
    file = request.work / "look.npz"
    tensors.save(file, tensors.stacked(found or list(trained.draws(model, SAMPLES))))
    return file


def _input(tensor: trained.Tensor, shape: list[int]) -> dict[str, Any]:
    entry = {"name": tensor.name, "tensor": tensor.name, "shape": shape, "dtype": "float32"}
    return {**entry, "layout": "NHWC"} if len(shape) == 4 else entry


def _failed(model: trained.Trained, ended: str, noise: str) -> Refused:
    """onnx2tf's own complaint, with the model's nodes that it is about."""
    complaint = "\n".join(dict.fromkeys(line for line in noise.splitlines() if COMPLAINT.search(line)))
    at = re.search(r"onnx_op_name: (\S+)", noise)
    named = [
        f"{op} (node {at.group(1)})" for op, nodes in model.operators.items() if at and at.group(1) in nodes
    ]
    detail = f"{(complaint or noise)[-1500:]}\n[{ended}]"
    if named:
        fix = "write that part of the model with other operators, or move it into your own post code"
        what = f"onnx2tf cannot convert {named[0]}"
        return Refused("unsupported-operator", what, "onnx2tf stopped there", fix, detail)
    return Refused("converter-failed", ended, detail=detail)
