"""What ``convert.py`` and ``run.py`` have in common: a session of rknn-toolkit2, and what is wrong when it
fails."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from edgepack_recipe import Refused, step, tensors, trained

HERE = Path(__file__).resolve().parent
DTYPES = {"int8": "w8a8", "int16": "w16a16i_dfp"}
ALGORITHMS = {"minmax": "normal", "kl": "kl_divergence", "mmse": "mmse"}
METHODS = {"per-channel": "channel", "per-tensor": "layer"}
COMPLAINT = re.compile(r"^E |Error:|\berror:|unsupport|not support", re.IGNORECASE)
HARMLESS = re.compile(r"Unkown op target|rknn-toolkit2 version")
OPERATOR = re.compile(
    r"[Uu]nsupport(?:ed)? (?:onnx )?op[^:]*: *'?(\w+)|Not support '?(\w+)'? op|op_type: *(\w+) is not"
)


@dataclass(frozen=True)
class Asked:
    """A model to build for a chip. keep: nodes that stay in floating point."""

    model: trained.Trained
    chip: str
    precision: str
    quantisation: Mapping[str, str] = field(default_factory=dict)
    calibration: Path | None = None
    keep: tuple[str, ...] = ()

    @property
    def config(self) -> dict[str, str]:
        """The arguments of ``RKNN.config`` beside the chip."""
        if self.precision == "fp16":
            return {}
        return {
            "quantized_dtype": DTYPES[self.precision],
            "quantized_algorithm": ALGORITHMS[self.quantisation.get("method", "minmax")],
            "quantized_method": METHODS[self.quantisation.get("granularity", "per-channel")],
        }


@dataclass(frozen=True)
class Built:
    """file: the .rknn; answers: what was computed; fixed: its bytes can be had again; kept: as far as it
    went."""

    file: Path
    answers: Mapping[str, np.ndarray]
    fixed: bool
    kept: Mapping[str, list[str]]


def build(asked: Asked, work: Path, inputs: Path | None, taps: tuple[str, ...] = ()) -> Built:
    """The model built, and computed on ``inputs`` by the simulator. Raises Refused."""
    work.mkdir(parents=True)
    shutil.copyfile(asked.model.file, work / "model.onnx")
    if asked.precision != "fp16":
        _dataset(asked, work)
    nodes = asked.model.nodes_named(asked.keep)
    body = {
        "chip": asked.chip,
        "config": asked.config,
        "quantised": asked.precision != "fp16",
        "keep": {node.name or node.output[0]: list(node.output) for node in nodes},
    }
    compute = {
        "inputs": str(inputs) if inputs else None,
        "input_names": [value.name for value in asked.model.inputs],
        "output_names": [value.name for value in asked.model.outputs],
        "taps": _shapes(asked.model, taps),
    }
    # Two files: what the simulator is asked must not move the memory of what is built (session.py).
    (work / "asked.json").write_text(json.dumps(body))
    (work / "compute.json").write_text(json.dumps(compute))
    done = step(HERE / "session.py", "asked.json", cwd=work, timeout_s=3000, env=_environment())
    try:
        said = json.loads((work / "done.json").read_text())
    except (OSError, ValueError):
        raise _failed(asked.model, done.ended("rknn-toolkit2"), done.noise) from None
    file = work / "model.rknn"
    if not file.is_file() or file.read_bytes()[:4] != b"RKNN":
        raise Refused(
            "converter-failed",
            "rknn-toolkit2 says that it is done, and wrote no model",
            detail=done.noise[-1500:],
        )
    answers = tensors.load(work / "answers.npz") if inputs else {}
    return Built(file, answers, bool(said["fixed_addresses"]), said["kept"])


def _environment() -> dict[str, str]:
    threads = os.environ.get("OMP_NUM_THREADS", "2")
    # The toolkit writes some of its memory into the model before anything is in it: glibc fills that with one
    # byte. Without it two bytes differ now and then, and the simulator's model is not the one that ships.
    return {"OPENBLAS_NUM_THREADS": threads, "MALLOC_ARENA_MAX": "2", "MALLOC_PERTURB_": "165"}


def _dataset(asked: Asked, work: Path) -> None:
    """``dataset.txt``: a line a sample, a file an input in the model's order. Raises Refused."""
    if asked.calibration is None:
        what = f"{asked.precision} needs calibration data"
        raise Refused("unsupported-input", what, fix="name some in edgepack.yaml: model.calibration.data")
    lines = []
    for number, sample in enumerate(tensors.samples(asked.calibration)):
        files = []
        for place, value in enumerate(asked.model.inputs):
            if value.name not in sample:
                raise Refused(
                    "unsupported-input", f"the calibration data has nothing for the input {value.name}"
                )
            files.append(f"calibration-{number}-{place}.npy")
            np.save(str(work / files[-1]), sample[value.name])
        lines.append(" ".join(files))
    (work / "dataset.txt").write_text("\n".join(lines) + "\n")


def _shapes(model: trained.Trained, taps: tuple[str, ...]) -> dict[str, list[int]]:
    """ONNX tensors with their shapes, of those asked for; only what is float32 and whose shape is known."""
    if not taps:
        return {}
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(model.file))).graph
    found = {}
    for value in (*graph.value_info, *graph.output):
        kind = value.type.tensor_type
        shape = [d.dim_value for d in kind.shape.dim]
        if kind.elem_type == 1 and shape and all(shape) and (taps == ("*",) or value.name in taps):
            found[value.name] = shape
    return found


def _failed(model: trained.Trained, ended: str, noise: str) -> Refused:
    """The toolkit's own complaint, with the model's nodes that it is about."""
    lines = [line for line in noise.splitlines() if COMPLAINT.search(line) and not HARMLESS.search(line)]
    complaint = "\n".join(dict.fromkeys(lines))
    words = set(re.findall(r"\w+", complaint))
    named = [f"{op} (node {', '.join(nodes[:5])})" for op, nodes in model.operators.items() if op in words]
    kind = (
        "unsupported-operator"
        if named and re.search("support", complaint, re.IGNORECASE)
        else "converter-failed"
    )
    what = f"rknn-toolkit2 cannot convert {'; '.join(named)}" if kind == "unsupported-operator" else ended
    return Refused(kind, what, detail=f"{(complaint or noise)[-1500:]}\n[{ended}]")
