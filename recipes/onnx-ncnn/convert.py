"""ONNX to ncnn: run pnnx, hold the result to ONNX Runtime, put it into 8 bits where asked, report.

The contract: docs/design/recipes.md. Each step is a process of its own, because an unlucky model can crash
any of them, and a crash must end in a sentence too.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, Step, step
from ranges import METHODS
from reading import Facts, read

HERE = Path(__file__).resolve().parent
FP16 = {"fp32": "fp16=0", "fp16": "fp16=1", "int8": "fp16=0"}  # int8 starts from float32
LARGEST_FILE = 4 << 30
COMPLAINT = re.compile(r"fail|error|unexpect|unsupport|not |no such", re.IGNORECASE)
OPERATOR_OF_LAYER = {  # how pnnx spells an ONNX operator that it could not make an ncnn layer of
    "Tensor.to": "Cast",
    "torch.gt": "Greater",
    "torch.ge": "GreaterOrEqual",
    "torch.lt": "Less",
    "torch.le": "LessOrEqual",
    "torch.eq": "Equal",
    "Tensor.index": "Gather",
    "torch.gather": "GatherElements",
    "torch.bitwise_not": "Not",
    "F.upsample": "Resize",
    "F.interpolate": "Resize",
}


INT8_LAYERS = ("Quantize", "Dequantize", "Requantize")  # ncnn makes them itself inside an int8 layer


@dataclass(frozen=True)
class Attempt:
    """pnnx's result for one spelling of the model, not yet in ``out``."""

    param: Path
    bin: Path
    result: Mapping[str, Any]  # what compare.py says


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with its files in ``out``. Raises Refused."""
    _lower(resource.RLIMIT_FSIZE, LARGEST_FILE)
    if request.precision not in FP16:
        raise Refused(
            "converter-failed", f"pnnx cannot write {request.precision}", fix="use fp32, fp16 or int8"
        )
    facts = read(request.model, request.work)
    attempt = _first_that_holds(facts, request)
    report = {
        "precision": request.precision,
        "files": ["model.param", "model.bin"],
        "inputs": facts.inputs,
        "outputs": attempt.result["outputs"],
        "operators": facts.operators,
        "layers": attempt.result["layers"],
        "parity": attempt.result["parity"],
        "taps": attempt.result["taps"],
        "tool": {"name": "pnnx", "version": version("pnnx")},
        "warnings": attempt.result["warnings"],
        "kept": [],
    }
    if request.precision == "int8":
        return {**report, **_quantised(request, attempt, report)}
    shutil.copyfile(attempt.param, request.out / "model.param")
    shutil.copyfile(attempt.bin, request.out / "model.bin")
    return report


def _first_that_holds(facts: Facts, request: Request) -> Attempt:
    """pnnx reads some operators only with their default attributes written out, and others only
    without: try the model's spellings in turn, and report the first's failure if none holds."""
    precision = "fp16" if request.precision == "fp16" else "fp32"
    first: Refused | None = None
    for number, spelling in enumerate(facts.spellings):
        try:
            return _attempt(facts, spelling, precision, request.work / f"attempt-{number}")
        except Refused as refused:
            first = first or refused
    assert first is not None
    raise first


def _attempt(facts: Facts, model: Path, precision: str, folder: Path) -> Attempt:
    folder.mkdir()
    shutil.copyfile(model, folder / "model.onnx")
    pnnx = Path(str(distribution("pnnx").locate_file("pnnx/pnnx")))
    done = step(pnnx, "model.onnx", FP16[precision], cwd=folder)
    param, weights = folder / "model.ncnn.param", folder / "model.ncnn.bin"
    if done.code != 0 or not param.is_file() or not weights.is_file():
        raise _crashed(facts, done)
    answer = folder / "compare.json"
    done = step(HERE / "compare.py", model, param, weights, answer, precision, cwd=folder)
    result = _answer(answer)
    if result is None:
        what = f"ncnn does not survive the converted model: {done.ended('the comparison')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    if result.get("unknown"):
        raise _unsupported(facts, result["unknown"])
    if "error" in result:
        raise Refused(**result["error"])
    return Attempt(param, weights, result)


def _quantised(request: Request, attempt: Attempt, report: Mapping[str, Any]) -> dict[str, Any]:
    """What changes in the report; the files are written. Raises Refused."""
    method = request.quantisation.get("method", METHODS[0])
    if method not in METHODS:
        raise Refused("converter-failed", f"no calibration method {method}", fix="use " + ", ".join(METHODS))
    if request.calibration is None:
        raise Refused("unsupported-input", "int8 needs calibration data", fix="set model.calibration.data")
    asked, answer = request.work / "int8.json", request.work / "int8-answer.json"
    paths = {"model": request.model, "param": attempt.param, "bin": attempt.bin, "out": request.out}
    paths |= {"calibration": request.calibration, "answer": answer}
    body = {name: str(path) for name, path in paths.items()}
    asked.write_text(json.dumps({**body, "method": method, "keep": list(request.keep)}))
    done = step(HERE / "int8.py", asked, cwd=request.work / "int8", timeout_s=1800)
    result = _answer(answer)
    if result is None:
        what = f"the model could not be put into int8: {done.ended('the quantisation')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    if "error" in result:
        raise Refused(**result["error"])
    lost = [f"{name} is not a layer of its own after pnnx, and cannot be kept" for name in result["lost"]]
    return {
        "layers": sorted({*report["layers"], *INT8_LAYERS}),
        "parity": result["parity"],
        "kept": result["kept"],
        "quantised": result["quantised"],
        "warnings": [*report["warnings"], *lost],
    }


def _crashed(facts: Facts, done: Step) -> Refused:
    """pnnx's own complaint, and the operator that it names; recipe.yaml's table says what to do."""
    ended = done.ended("pnnx") if done.code else "pnnx wrote no model"
    complaint = "\n".join(line for line in done.noise.splitlines() if COMPLAINT.search(line))
    words = set(re.findall(r"\w+", complaint))
    named = [f"{op} (node {', '.join(n[:5])})" for op, n in facts.nodes.items() if op in words]
    what = f"{ended}, after a complaint about {'; '.join(named)}" if named else ended
    return Refused("converter-failed", what, detail=f"{(complaint or done.noise)[-1500:]}\n[{ended}]")


def _unsupported(facts: Facts, layers: Sequence[str]) -> Refused:
    """Name the model's own nodes behind layers that ncnn does not have."""
    found = {op: nodes for op, nodes in facts.nodes.items() if _is_behind(op, layers)}
    if found:
        which = "; ".join(f"{op} (node {', '.join(nodes[:5])})" for op, nodes in found.items())
        what = f"ncnn has nothing for {which}, as the model uses it"
    else:
        what = f"ncnn has no layer {', '.join(layers)}, which pnnx wrote for a part of the model"
    return Refused(
        "unsupported-operator",
        what,
        why="the ncnn runtime does not implement it" + ("" if found else "; see the operators above"),
        fix="express it with other operators, simplify the model (onnxslim), or cut the model before "
        "it and do it in your own post code",
        detail="layers in the converted model that ncnn does not know: " + ", ".join(layers),
    )


def _is_behind(operator: str, layers: Sequence[str]) -> bool:
    plain = operator.lower().replace("_", "")
    return any(
        OPERATOR_OF_LAYER.get(layer) == operator or layer.rsplit(".", 1)[-1].lower().replace("_", "") == plain
        for layer in layers
    )


def _answer(file: Path) -> dict[str, Any] | None:
    try:
        answer = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _lower(limit: int, wanted: int) -> None:
    soft, hard = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(limit, (wanted, hard))
