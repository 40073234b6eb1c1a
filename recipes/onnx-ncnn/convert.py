"""ONNX to ncnn: check the model, run pnnx, hold the result to ONNX Runtime, report.

The contract: docs/design/recipes.md. Each step is a process of its own, because a hostile or unlucky model
can crash any of them, and a crash must end in a sentence too.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request

HERE = Path(__file__).resolve().parent
FP16 = {"fp32": "fp16=0", "fp16": "fp16=1"}
LARGEST_FILE = 4 << 30
STEP_TIMEOUT_S = 600
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
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


@dataclass(frozen=True)
class Attempt:
    """pnnx's result for one spelling of the model, not yet in ``out``."""

    param: Path
    bin: Path
    result: Mapping[str, Any]  # what compare.py says


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with its files in ``out``. Raises Refused."""
    _lower(resource.RLIMIT_FSIZE, LARGEST_FILE)
    precision, out, work = request.precision, request.out, request.work
    if precision not in FP16:
        raise Refused("converter-failed", f"pnnx cannot write {precision}", fix="use fp32 or fp16")
    facts = check(request.model, work)
    attempt = _first_that_holds(facts, precision, work)
    shutil.copyfile(attempt.param, out / "model.param")
    shutil.copyfile(attempt.bin, out / "model.bin")
    return {
        "ok": True,
        "files": ["model.param", "model.bin"],
        "inputs": facts["inputs"],
        "outputs": attempt.result["outputs"],
        "operators": facts["operators"],
        "layers": attempt.result["layers"],
        "parity": attempt.result["parity"],
        "tool": {"name": "pnnx", "version": version("pnnx")},
        "warnings": facts["warnings"] + attempt.result["warnings"],
    }


def check(model: Path, work: Path) -> dict[str, Any]:
    """What the model is, and its cleaned copies in ``work``. Raises Refused."""
    answer = work / "facts.json"
    code, noise = _step(work, sys.executable, "-I", HERE / "check.py", model, work, answer)
    facts = _answer(answer)
    if facts is None:
        raise Refused(
            "not-a-model",
            f"{model.name} cannot be read: {_ended('the check', code)}",
            why="the file is damaged, or too large for this machine's memory",
            fix="export the model again, and check it with: python -m onnx.checker, then ONNX Runtime",
            detail=noise[-1500:],
        )
    if "error" in facts:
        raise Refused(**facts["error"])
    return facts


def _first_that_holds(facts: Mapping[str, Any], precision: str, work: Path) -> Attempt:
    """pnnx reads some operators only with their default attributes written out, and others only
    without: try the model's spellings in turn, and report the first's failure if none holds."""
    first: Refused | None = None
    for number, spelling in enumerate(facts["spellings"]):
        folder = work / f"attempt-{number}"
        folder.mkdir()
        try:
            return _attempt(facts, work / spelling, precision, folder)
        except Refused as refused:
            first = first or refused
    assert first is not None
    raise first


def _attempt(facts: Mapping[str, Any], model: Path, precision: str, folder: Path) -> Attempt:
    shutil.copyfile(model, folder / "model.onnx")
    pnnx = Path(str(distribution("pnnx").locate_file("pnnx/pnnx")))
    code, noise = _step(folder, pnnx, "model.onnx", FP16[precision])
    param, weights = folder / "model.ncnn.param", folder / "model.ncnn.bin"
    if code != 0 or not param.is_file() or not weights.is_file():
        raise _crashed(facts, _ended("pnnx", code), noise)
    answer = folder / "compare.json"
    compare = (sys.executable, "-I", HERE / "compare.py")
    code, noise = _step(folder, *compare, model, param, weights, answer, precision)
    result = _answer(answer)
    if result is None:
        raise Refused(
            "converter-failed",
            f"ncnn does not survive the converted model: {_ended('the comparison', code)}",
            detail=noise[-1500:],
        )
    if result.get("unknown"):
        raise _unsupported(facts, result["unknown"])
    if "error" in result:
        raise Refused(**result["error"])
    return Attempt(param, weights, result)


def _crashed(facts: Mapping[str, Any], ended: str, noise: str) -> Refused:
    """pnnx's own complaint, and the operator that it names; recipe.yaml's table says what to do."""
    complaint = "\n".join(line for line in noise.splitlines() if COMPLAINT.search(line))
    words = set(re.findall(r"\w+", complaint))
    named = [f"{op} (node {', '.join(n[:5])})" for op, n in facts["nodes"].items() if op in words]
    what = f"{ended}, after a complaint about {'; '.join(named)}" if named else ended
    return Refused("converter-failed", what, detail=f"{(complaint or noise)[-1500:]}\n[{ended}]")


def _unsupported(facts: Mapping[str, Any], layers: Sequence[str]) -> Refused:
    """Name the model's own nodes behind layers that ncnn does not have."""
    found = {op: nodes for op, nodes in facts["nodes"].items() if _is_behind(op, layers)}
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


def _step(cwd: Path, *argv: object) -> tuple[int, str]:
    """Exit code (negative for a signal) and noise, which also goes to this program's own log."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "TMPDIR": str(cwd), "LC_ALL": "C.UTF-8"}
    env["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "2")
    try:
        done = subprocess.run(
            [str(a) for a in argv],
            cwd=cwd,
            env=env,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STEP_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as slow:
        return 124, _plain(slow.stdout or b"")
    noise = _plain(done.stdout)
    print(noise, flush=True)
    return done.returncode, noise


def _plain(noise: bytes) -> str:
    """Without colours, and without what else a model's own names could do to a terminal."""
    text = COLOUR.sub("", noise.decode("utf-8", "replace"))
    return "".join(c for c in text if c.isprintable() or c == "\n")


def _ended(name: str, code: int) -> str:
    if code == 124:
        return f"{name} did not finish in {STEP_TIMEOUT_S} s"
    if code < 0:
        return f"{name} ended by signal {-code}"
    return f"{name} wrote no model" if code == 0 else f"{name} ended with exit code {code}"


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
