"""ONNX to OpenVINO IR (``model.xml``, ``model.bin``), quantised by NNCF, run before it is handed on.

The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import numpy as np
import openvino as ov
import quantise
from edgepack_recipe import Refused, Request, held, trained

OPSETS = (7, 26)  # recipe.yaml says why; a test holds the two together
FILES = ["model.xml", "model.bin"]


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with its files in ``out``. Raises Refused."""
    reference = trained.read(request.model, OPSETS)
    model = _imported(reference)
    kept: list[str] = []
    if request.precision == "int8":
        model, kept = quantise.activations_and_weights(model, reference, request)
    elif request.precision == "w8":
        model, kept = quantise.weights(model, reference, request)
    elif request.precision not in ("fp32", "fp16"):
        raise Refused(
            "converter-failed", f"OpenVINO IR has no {request.precision}", fix="use fp32, fp16, w8 or int8"
        )
    _renumber(model)
    file = request.out / FILES[0]
    ov.save_model(model, file, compress_to_fp16=request.precision == "fp16")
    return _report(file, reference, request.precision) | {"kept": kept}


def _imported(reference: trained.Trained) -> ov.Model:
    try:
        model = ov.convert_model(reference.file)
    except Exception as bad:  # noqa: BLE001 - OpenVINO raises its own of many kinds
        raise _refusal(reference, str(bad)) from None
    model.reshape({tensor.name: list(tensor.shape) for tensor in reference.inputs})
    return model


def _renumber(model: ov.Model) -> None:
    """OpenVINO names what has no name by a counter of its process, which threads race for."""
    for number, op in enumerate(model.get_ordered_ops()):
        kind = op.get_type_name()
        if re.fullmatch(kind + r"_\d+", op.get_friendly_name()):
            op.set_friendly_name(f"{kind}_{number}")


def _refusal(reference: trained.Trained, words: str) -> Refused:
    """OpenVINO's own words, with the model's nodes that they speak of."""
    missing = "No conversion rule found" in words or "Not supported" in words or "not supported" in words
    named = [
        f"{operator} (node {', '.join(nodes[:5])})"
        for operator, nodes in reference.operators.items()
        if any(mark in words for mark in (f"'{operator}'", f".{operator}", f": {operator}", f"{operator}-"))
    ]
    told = next((line.strip() for line in words.splitlines() if "conversion rule" in line), "")
    what = (
        f"OpenVINO has nothing for {'; '.join(named)}, as the model uses it"
        if named
        else (told or "OpenVINO cannot read the model")
    )
    kind = "unsupported-operator" if missing or named else "converter-failed"
    return Refused(kind, what, detail=words[-1500:])


def _report(file: Any, reference: trained.Trained, precision: str) -> dict[str, Any]:
    """What was written, from what the runtime reads back and computes. Raises Refused."""
    for written in (file, file.with_suffix(".bin")):
        if not written.is_file() or not written.stat().st_size:
            raise Refused("converter-failed", f"OpenVINO wrote no {written.name}")
    core = ov.Core()
    model = core.read_model(file)
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(model, "CPU", hints)
    pairs = ((_answers(compiled, feeds), reference.run(feeds)) for feeds in trained.draws(reference))
    parity = held.hold("OpenVINO", precision, pairs)
    return {
        "files": FILES,
        "inputs": [_described(port) for port in model.inputs],
        "outputs": [
            {"name": _name(port), "tensor": _name(port), "shape": list(port.shape)} for port in model.outputs
        ],
        "layers": sorted({op.get_type_name() for op in model.get_ordered_ops()}),
        "operators": reference.counts(),
        "parity": parity,
        "tool": {"name": "openvino", "version": version("openvino")},
        "warnings": [],
    }


def _answers(compiled: ov.CompiledModel, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = compiled(feeds)
    return {name: found[port] for port in compiled.outputs for name in port.get_names()}


def _described(port: Any) -> dict[str, Any]:
    shape = list(port.shape)
    given = {"name": _name(port), "tensor": _name(port), "shape": shape, "dtype": "float32"}
    return given | ({"layout": "NCHW"} if len(shape) == 4 else {})


def _name(port: Any) -> str:
    """The ONNX name; a port of several keeps the graph's own."""
    return sorted(port.get_names())[0]
