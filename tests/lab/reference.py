"""What the trained model says: ONNX Runtime, run here and now on the ONNX file, by nothing of edgepack's."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray


@dataclass(frozen=True)
class Reference:
    """Held-out images by file name, with the truth and the model's own answer.

    labels, classes: int64 (N,). logits: float32 (N, 10), before softmax.
    """

    files: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    logits: NDArray[np.float32]

    def accuracy(self, classes: NDArray[np.int64]) -> float:
        """The share of images whose class is the true one."""
        return float(np.mean(classes == self.labels))


@cache
def of(project: Path) -> Reference:
    """The held-out images of ``examples/digits`` (or a copy at ``project``) through its ONNX file, which no
    test changes: once for each run and copy.
    """
    rows = [row.split(",") for row in (project / "data/val/labels.csv").read_text().split()[1:]]
    images = np.stack([read_pgm(project / "data/val" / row[0]) for row in rows])
    prepared = _pipeline(project).prepare(images)
    session = onnxruntime.InferenceSession(project / "model/lenet.onnx", providers=["CPUExecutionProvider"])
    logits = np.concatenate([session.run(["logits"], {"image": one[None]})[0] for one in prepared])
    labels = np.array([int(row[1]) for row in rows])
    return Reference(tuple(row[0] for row in rows), labels, logits.argmax(axis=1), logits)


def read_pgm(file: Path) -> NDArray[np.uint8]:
    """The raw values of a binary 8-bit PGM without comments, (H, W)."""
    data = file.read_bytes()
    head = re.match(rb"P5\s+(\d+)\s+(\d+)\s+\d+\s", data)
    assert head is not None, f"{file} is not such a PGM"
    return np.frombuffer(data, np.uint8, offset=head.end()).reshape(int(head[2]), int(head[1]))


def _pipeline(project: Path) -> ModuleType:
    """What the model was trained behind, which is the example's own and no package."""
    spec = importlib.util.spec_from_file_location("pipeline", project / "train/pipeline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
