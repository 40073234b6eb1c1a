"""ONNX to MNN: convert, quantise, load, compute, report. The contract: docs/design/recipes.md.

MNN's programs exit 0 whatever happened, and say `Converted Success!` of files that are not whole: only what
the runtime loads and computes is believed.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

import quantise
from edgepack_recipe import Refused, Request, Step, step, trained

OPSETS = (7, 26)  # recipe.yaml says why; a test holds the two together
FILE = "model.mnn"
TOOL = Path(__file__).resolve().parent / "tool.py"
LOOK = TOOL.with_name("look.py")
FLAGS = {"fp32": [], "int8": [], "fp16": ["--fp16"], "w8": ["--weightQuantBits", "8"]}
UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
UNKNOWN = re.compile(
    r"These Op Not Support: *(.*)|Unknown type|Can't convert Op:? *(\w+)|Not support \w+:? *(\w+)"
)


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.mnn`` in ``out``. Raises Refused."""
    if request.precision not in FLAGS:
        what = f"MNN has no {request.precision}"
        raise Refused("converter-failed", what, fix="use one of: " + ", ".join(FLAGS))
    reference = trained.read(request.model, OPSETS)
    flags = list(FLAGS[request.precision])
    if request.precision == "w8" and request.quantisation.get("scheme") == "asymmetric":
        flags.append("--weightQuantAsymmetric")
    made = _converted(reference, request.work / "convert", flags)
    layers = described(made, request.work / "describe")
    if request.precision == "int8":
        made = quantise.quantised(made, layers, reference, request)
    elif request.keep:
        raise Refused("unsupported-input", f"MNN keeps nothing in floating point in {request.precision}")
    (request.out / FILE).write_bytes(_with_fixed_uuid(made.read_bytes()))
    return {
        "files": [FILE],
        "inputs": [_input(tensor) for tensor in reference.inputs],
        "outputs": [{"name": o.name, "tensor": o.name, "shape": list(o.shape)} for o in reference.outputs],
        "layers": sorted({layer["type"] for layer in layers["oplists"]}),
        "operators": reference.counts(),
        "tool": {"name": "MNN", "version": version("MNN")},
        "warnings": [],
        "kept": list(request.keep),
        **_looked_at(request.out / FILE, layers, reference, request),
    }


def _converted(reference: trained.Trained, work: Path, flags: list[str]) -> Path:
    made = work / FILE
    words = [
        "mnnconvert",
        "-f",
        "ONNX",
        "--modelFile",
        reference.file,
        "--MNNModel",
        made,
        "--bizCode",
        "edgepack",
    ]
    done = step(TOOL, *words, *flags, cwd=work)
    if not made.is_file() or not made.stat().st_size:
        raise _failed(reference, done)
    return made


def _with_fixed_uuid(model: bytes) -> bytes:
    """mnnconvert draws a UUID, and nothing else that it writes is random: one from the content instead."""
    found = UUID.search(model[:4096])
    if not found:
        return model
    content = model[: found.start()] + model[found.end() :]
    fixed = str(uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(content).hexdigest()))
    return model[: found.start()] + fixed.encode() + model[found.end() :]


def _failed(reference: trained.Trained, done: Step) -> Refused:
    """MNN's own complaint, with the model's nodes that it speaks of."""
    complaint = "\n".join(line for line in done.noise.splitlines() if re.search(r"(?i)not|fail|error", line))
    words = set(re.findall(r"\w+", complaint))
    named = [
        f"{op} (node {', '.join(nodes[:5])})" for op, nodes in reference.operators.items() if op in words
    ]
    if named and UNKNOWN.search(complaint):
        what = f"MNN has nothing for {'; '.join(named)}, as the model uses it"
        return Refused("unsupported-operator", what, detail=complaint[-1500:])
    what = (
        f"MNN wrote no model, after a complaint about {'; '.join(named)}" if named else "MNN wrote no model"
    )
    return Refused(
        "converter-failed", what, why=done.ended("mnnconvert"), detail=(complaint or done.noise)[-1500:]
    )


def described(model: Path, work: Path) -> dict[str, Any]:
    """The file's own account of its operators and tensors."""
    told = work / "model.json"
    done = step(TOOL, "mnnconvert", "-f", "MNN", "--modelFile", model, "--JsonFile", told, cwd=work)
    if not told.is_file():
        raise Refused("converter-failed", "MNN cannot read what it wrote", detail=done.noise[-1500:])
    found: dict[str, Any] = json.loads(told.read_text(errors="replace"), strict=False)
    return found


def _input(tensor: trained.Tensor) -> dict[str, Any]:
    given = {"name": tensor.name, "tensor": tensor.name, "shape": list(tensor.shape), "dtype": "float32"}
    return given | ({"layout": "NCHW"} if len(tensor.shape) == 4 else {})


def _looked_at(
    file: Path, layers: dict[str, Any], reference: trained.Trained, request: Request
) -> dict[str, Any]:
    """``parity`` and ``taps`` of what ships. Raises Refused, also where MNN does not survive it."""
    work = request.work / "look"
    work.mkdir()
    tensors = [
        layers["tensorName"][index]
        for layer in layers["oplists"]
        if layer["type"] not in ("Input", "Const")
        for index in layer["outputIndexes"]
    ]
    plain = _converted(reference, request.work / "plain", [])
    asked = {"model": str(reference.file), "made": str(file), "plain": str(plain), "opsets": OPSETS}
    asked |= {"tensors": tensors, "precision": request.precision}
    (work / "asked.json").write_text(json.dumps(asked))
    done = step(LOOK, "asked.json", "answer.json", cwd=work)
    if not (work / "answer.json").is_file():
        what = f"MNN does not survive the model that it converted: {done.ended('the computation')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:] + "\n[MNN crashed]")
    answer: dict[str, Any] = json.loads((work / "answer.json").read_text())
    if "error" in answer:
        raise Refused(**answer["error"])
    return answer
