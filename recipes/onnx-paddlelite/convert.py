"""ONNX to Paddle by x2paddle, and on to Paddle Lite's .nb by its `opt`. The contract: docs/design/recipes.md.

This host computes a .nb for x86 alone. What ships for ARM comes from the same Paddle model by the same `opt`;
where Paddle Lite has all operators for x86, that .nb is held to ONNX Runtime, else the Paddle model is.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, step, trained

OPSETS = (7, 15)  # recipe.yaml says why; a test holds the two together
FILE = "model.nb"
HERE = Path(__file__).resolve().parent
PLACES = {"aarch64": "arm", "armhf": "arm", "x86_64": "x86"}
# fp16 is for ARM alone, and nothing here could say what it computes
FLAGS = {
    "fp32": (),
    "w8": ("--quant_model=true", "--quant_type=QUANT_INT8"),
}
TOOL = {"name": "Paddle Lite", "version": "2.10"}


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.nb`` in ``out``. Raises Refused."""
    if request.precision not in FLAGS:
        what = f"Paddle Lite's opt has no {request.precision}"
        raise Refused("converter-failed", what, fix="use one of: " + ", ".join(FLAGS))
    arch = request.options.get("arch") or (request.target if request.target in PLACES else None)
    if arch not in PLACES:
        name = request.target or "the target"
        what = f"Paddle Lite writes for one kind of processor, and {name} does not say which"
        raise Refused("unsupported-input", what, fix="set the option arch to one of: " + ", ".join(PLACES))
    reference = trained.read(request.model, OPSETS)
    paddle = to_paddle(reference, request.work / "paddle")
    shipped = optimised(paddle, PLACES[arch], request.precision, request.work / "shipped")
    report = looked_at(paddle, shipped if PLACES[arch] == "x86" else None, request, reference)
    shutil.copyfile(shipped, request.out / FILE)
    return {
        "files": [FILE],
        "inputs": [_input(tensor) for tensor in reference.inputs],
        "outputs": [{"name": o.name, "tensor": o.name, "shape": list(o.shape)} for o in reference.outputs],
        "operators": reference.counts(),
        "tool": TOOL,
        "kept": [],
        "arch": arch,
        "precision": request.precision,
        **report,
    }


def to_paddle(reference: trained.Trained, work: Path) -> Path:
    """The folder of the Paddle model. Raises Refused."""
    made = work / "made"
    done = step(HERE / "to_paddle.py", reference.file, made, cwd=work, timeout_s=600)
    folder = made / "inference_model"
    if not all((folder / name).is_file() for name in ("model.pdmodel", "model.pdiparams")):
        said = (
            done.noise.split("not supported", 1)[-1] if "not supported" in done.noise else done.noise[-800:]
        )
        named = [
            f"{op} (node {', '.join(n[:5])})" for op, n in reference.operators.items() if op in said.split()
        ]
        if named and "not supported" in done.noise:
            what = f"x2paddle has nothing for {'; '.join(named)}"
            raise Refused("unsupported-operator", what, detail=done.noise[-1500:])
        what = f"{done.ended('x2paddle')} and wrote no model"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    return folder


def optimised(paddle: Path, place: str, precision: str, work: Path) -> Path:
    """The .nb. Raises Refused, for operators that Paddle Lite lacks on that place too."""
    words = [f"--model_file={paddle / 'model.pdmodel'}", f"--param_file={paddle / 'model.pdiparams'}"]
    words += [f"--valid_targets={place}", f"--optimize_out={work / 'model'}", *FLAGS[precision]]
    done = step(Path(sys.executable).with_name("python"), opt(), *words, cwd=work)
    made = work / FILE
    if made.is_file() and made.stat().st_size:
        return made
    if "unsupported ops are" in done.noise:
        which = done.noise.split("unsupported ops are:", 1)[-1].split("\n")[0].strip(" .")
        what = f"Paddle Lite has nothing for {which} on {place}, which x2paddle wrote for a part of the model"
        raise Refused("unsupported-operator", what, detail=done.noise[-1500:])
    raise Refused("converter-failed", f"{done.ended('opt')} and wrote no model", detail=done.noise[-1500:])


def opt() -> Path:
    return Path(sys.executable).with_name("paddle_lite_opt")


def on_this_host(paddle: Path, precision: str, work: Path) -> tuple[Path | None, str]:
    """A .nb that this host computes, or None where only Paddle itself can; and what to tell of it."""
    try:
        return optimised(paddle, "x86", precision, work), ""
    except Refused as refused:
        if precision == "fp32":
            return None, refused.what
        raise Refused(
            "unsupported-operator",
            f"nothing here can compute this model in {precision}, so it cannot be held to the trained one",
            refused.what,
            "use fp32",
            refused.detail,
        ) from None


def looked_at(
    paddle: Path, shipped: Path | None, request: Request, reference: trained.Trained
) -> dict[str, Any]:
    """``parity``, ``layers`` and ``warnings``. Raises Refused."""
    here, why_not = (
        (shipped, "") if shipped else on_this_host(paddle, request.precision, request.work / "here")
    )
    what = "the .nb made for x86 from the same Paddle model" if here else f"the Paddle model ({why_not})"
    warning = f"the .nb for ARM was not run: {what} is what was compared"
    answer = compared(paddle, here, request, reference)
    answer.pop("names")
    return {**answer, "warnings": [] if shipped else [warning]}


def compared(paddle: Path, here: Path | None, request: Request, reference: trained.Trained) -> dict[str, Any]:
    """What was made computes on this host: a .nb, or Paddle's own model where there is none.

    ``parity``, ``layers``, and ``names``: of inputs and outputs in Paddle's model. Raises Refused.
    """
    asked = {
        "model": str(reference.file),
        "opsets": OPSETS,
        "paddle": str(paddle),
        "nb": str(here or ""),
        "precision": request.precision,
    }
    work = request.work / "look"
    work.mkdir()
    (work / "asked.json").write_text(json.dumps(asked))
    done = step(HERE / "look.py", "asked.json", "answer.json", cwd=work)
    if not (work / "answer.json").is_file():
        what = f"Paddle does not survive the model: {done.ended('the computation')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    answer: dict[str, Any] = json.loads((work / "answer.json").read_text())
    if "error" in answer:
        raise Refused(**answer["error"])
    return answer


def _input(tensor: trained.Tensor) -> dict[str, Any]:
    given = {"name": tensor.name, "tensor": tensor.name, "shape": list(tensor.shape), "dtype": "float32"}
    return {**given, "layout": "NCHW"} if len(tensor.shape) == 4 else given
