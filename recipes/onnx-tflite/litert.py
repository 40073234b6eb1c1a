"""A .tflite file computed by LiteRT, its outputs in ONNX's names and layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe import Refused, step, tensors

HERE = Path(__file__).resolve().parent
QUIET = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


@dataclass(frozen=True)
class Computed:
    """said: the file's own inputs, outputs and operators; answers: (N, …) as TFLite has them, with its
    batch."""

    said: Mapping[str, Any]
    answers: Mapping[str, np.ndarray]


def compute(model: Path, inputs: Path, names: Sequence[str], work: Path) -> Computed:
    """Raises Refused. Inputs of three to five dimensions are given channels last."""
    work.mkdir(parents=True)
    shutil.copyfile(model, work / "model.tflite")
    asked = {"model": "model.tflite", "inputs": str(inputs), "input_names": list(names)}
    (work / "asked.json").write_text(json.dumps(asked))
    done = step(HERE / "compute.py", "asked.json", cwd=work, env=QUIET)
    if not (work / "done.json").is_file():
        what = f"LiteRT does not run the converted model: {done.ended('it')}"
        raise Refused("converter-failed", what, detail=done.noise[-1500:])
    return Computed(json.loads((work / "done.json").read_text()), tensors.load(work / "answers.npz"))


def arranged(array: np.ndarray, shape: Sequence[int], channels_last: bool) -> np.ndarray:
    """(N, 1, …) of TFLite as (N, …) of ONNX's ``shape``."""
    own = (
        array.reshape(len(array), *array.shape[2:]) if array.shape[1:2] == (1,) and len(shape) > 1 else array
    )
    return np.ascontiguousarray(
        np.moveaxis(own, -1, 1) if channels_last else own.reshape(len(own), *shape[1:])
    )
