"""Computes the engine with trtexec on this host's GPU, a sample at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe import Refused, Simulation, step, tensors

WORDS = "--iterations=1 --avgRuns=1 --warmUp=0 --duration=0"  # each from trtexec's help, Inference Options


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by ONNX name, as trtexec prints them: six significant digits."""
    report = simulation.report
    here = report["here"]
    engine = simulation.model / "model.engine"
    rows = []
    for number, feeds in enumerate(tensors.samples(simulation.inputs)):
        folder = simulation.work / str(number)
        folder.mkdir()
        words = [f"--loadEngine={engine}", f"--loadInputs={_written(feeds, folder)}", *WORDS.split()]
        words.append("--exportOutput=out.json")
        done = step(here["programs"]["trtexec"], *words, cwd=folder, env=here["env"])
        if done.code or "&&&& FAILED" in done.noise or "&&&& PASSED" not in done.noise:
            what = f"trtexec did not run the engine: {done.ended('it')}"
            raise Refused("converter-failed", what, detail=done.noise[-1500:])
        rows.append(_read(folder / "out.json", report["outputs"]))
    return tensors.stacked(rows)


def _written(feeds: dict[str, np.ndarray], folder: Path) -> str:
    """Raw values, and what --loadInputs is given: `name:file,…`; a name with a colon in single quotes."""
    said = []
    for number, (name, value) in enumerate(feeds.items()):
        if "," in name or "'" in name:
            raise Refused("unsupported-input", f"trtexec cannot be given an input of the name {name}")
        (folder / f"{number}.bin").write_bytes(np.ascontiguousarray(value, np.float32).tobytes())
        said.append(f"'{name}':{number}.bin" if ":" in name else f"{name}:{number}.bin")
    return ",".join(said)


def _read(file: Path, outputs: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """--exportOutput writes a list of `name`, `dimensions` ("1x10") and `values`, as C++ prints them."""
    if not file.is_file():
        raise Refused("converter-failed", "trtexec ended with exit code 0 and wrote no outputs")
    text = re.sub(r"(?<=[\s,\[])(-?)(nan|inf)(?=[\s,\]])", _number, file.read_text())
    found = {row["name"]: row for row in json.loads(text)}
    answers = {}
    for output in outputs:
        row = found.get(output["tensor"])
        shape = tuple(output["shape"])
        if row is None or len(row["values"]) != int(np.prod(shape)):
            told = f"{row['dimensions']} of it" if row else "not one of that name"
            what = f"the engine was to give an output {output['tensor']} {shape}, and gave {told}"
            raise Refused("converter-failed", what)
        answers[output["tensor"]] = np.array(row["values"], np.float32).reshape(shape)
    return answers


def _number(found: re.Match[str]) -> str:
    return found.group(1) + {"nan": "NaN", "inf": "Infinity"}[found.group(2)]
