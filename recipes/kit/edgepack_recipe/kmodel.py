"""What the recipes for Canaan's chips have in common: nncase asked in a process of its own, its .kmodel
computed by its simulator and held to ONNX Runtime.

Only for recipes whose environment has ``nncase``, ``onnx`` and ``onnxruntime``; what that process does is
in ``kmodel_session.py``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from . import held, tensors, trained
from .refused import Refused
from .request import Request, Simulation
from .steps import Step, step

FILE = "model.kmodel"
COMPLAINT = re.compile(r"error|what\(\)|can't|not support|unsupport|not implement|assert", re.IGNORECASE)


@dataclass(frozen=True)
class Nncase:
    """A recipe's nncase. session: its ``session.py``; opsets: (least, greatest); samples: how many inputs its
    simulator computes before the file is handed on; env: variables that its process needs."""

    session: Path
    opsets: tuple[int, int] = (0, 0)
    samples: int = 1
    env: Mapping[str, str] = field(default_factory=dict)

    def ask(self, folder: Path, **asked: Any) -> Step:
        """A run of the session in ``folder``; what it did is in ``done.json`` where it got to its end."""
        (folder / "asked.json").write_text(json.dumps(asked))
        return step(self.session, "asked.json", cwd=folder, timeout_s=2400, env=self.env)


def method(request: Request, known: Sequence[str]) -> str:
    """How ranges are found; the first one where nobody said. Raises Refused."""
    said = str(request.quantisation.get("method", known[0]))
    if said not in known:
        raise Refused("converter-failed", f"nncase has no {said}", fix="use one of: " + ", ".join(known))
    return said


def convert(request: Request, nncase: Nncase, calibrated: bool, **asked: Any) -> dict[str, Any]:
    """The report, with ``model.kmodel`` in ``out``. asked: what the session wants besides the files.

    calibrated: the precision needs calibration data. Raises Refused.
    """
    model = trained.read(request.model, nncase.opsets)
    folder = request.work / "nncase"
    folder.mkdir()
    # nncase infers no shapes: "Can't find value info for … to parse its shape"
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(str(model.file))), str(folder / "model.onnx"))
    samples = _samples(request, model, nncase.samples)
    ended = nncase.ask(
        folder,
        kmodel=FILE,
        inputs=str(samples),
        calibration=_calibration(request, model) if calibrated else None,
        input_names=[t.name for t in model.inputs],
        output_names=[t.name for t in model.outputs],
        **asked,
    )
    try:
        done = json.loads((folder / "done.json").read_text())
    except (OSError, ValueError):
        raise _failed(model, ended.ended("nncase"), ended.noise) from None
    answers = tensors.load(folder / "answers.npz")
    pairs = [
        ({name: array[number : number + 1] for name, array in answers.items()}, model.run(feeds))
        for number, feeds in enumerate(tensors.samples(samples))
    ]
    parity = held.hold("nncase's simulator", request.precision, pairs)
    shutil.copyfile(str(folder / FILE), str(request.out / FILE))
    return {**_report(model, bool(done["fixed_addresses"])), "parity": parity}


def run(simulation: Simulation, nncase: Nncase) -> dict[str, np.ndarray]:
    """Outputs; nncase's simulator gives no tensors between the layers. Raises Refused."""
    folder = simulation.work / "nncase"
    folder.mkdir()
    shutil.copyfile(str(simulation.model / FILE), str(folder / FILE))
    ended = nncase.ask(
        folder,
        target=None,
        kmodel=FILE,
        inputs=str(simulation.inputs),
        input_names=[entry["tensor"] for entry in simulation.report["inputs"]],
        output_names=[entry["tensor"] for entry in simulation.report["outputs"]],
    )
    if not (folder / "done.json").is_file():
        what = f"nncase's simulator does not run the model: {ended.ended('it')}"
        raise Refused("converter-failed", what, detail=ended.noise[-1500:])
    return tensors.load(folder / "answers.npz")


def _report(model: trained.Trained, fixed_addresses: bool) -> dict[str, Any]:
    return {
        "files": [FILE],
        "inputs": [
            {"name": f"in{n}", "tensor": t.name, "shape": list(t.shape), "dtype": "float32", "layout": "NCHW"}
            for n, t in enumerate(model.inputs)
        ],
        "outputs": [
            {"name": f"out{n}", "tensor": t.name, "shape": list(t.shape)} for n, t in enumerate(model.outputs)
        ],
        "layers": [],
        "operators": model.counts(),
        "tool": {"name": "nncase", "version": version("nncase")},
        "warnings": []
        if fixed_addresses
        else ["this host's container makes the file's gaps differ each time"],
        "kept": [],
    }


def _calibration(request: Request, model: trained.Trained) -> str | None:
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
