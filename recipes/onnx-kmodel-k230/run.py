"""A kmodel on nncase's simulator."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from convert import dotnet
from edgepack_recipe import Refused, Simulation, step, tensors

HERE = Path(__file__).resolve().parent


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs; nncase's simulator gives no tensors between the layers. Raises Refused."""
    folder = simulation.work / "nncase"
    folder.mkdir()
    shutil.copyfile(simulation.model / "model.kmodel", folder / "model.kmodel")
    asked = {
        "target": None,
        "kmodel": "model.kmodel",
        "inputs": str(simulation.inputs),
        "input_names": [entry["tensor"] for entry in simulation.report["inputs"]],
        "output_names": [entry["tensor"] for entry in simulation.report["outputs"]],
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    done = step(HERE / "session.py", "asked.json", cwd=folder, timeout_s=2400, env=dotnet())
    if not (folder / "done.json").is_file():
        what = f"nncase's simulator does not run the model: {done.ended('it')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    return tensors.load(folder / "answers.npz")
