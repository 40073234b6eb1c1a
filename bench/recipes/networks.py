"""The networks that recipes are measured with: a folder each, as ``edgepack recipes check`` wants it."""

from __future__ import annotations

import importlib.util
import math
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edgepack.catalog.recipes import Recipe
from edgepack.convert import check

SHAPES = Path(__file__).resolve().parents[2] / "examples" / "shapes"
NAMES = ("lenet", "shapes")
GOLDEN = 8  # of its golden pictures: simulators take seconds for each


def networks(prepare: Recipe, temporary: Path) -> dict[str, Path]:
    """LeNet-5 as it is shipped, and the detector as a folder below `temporary`."""
    return {"lenet": prepare.folder / "check", "shapes": _detector(temporary)}


def _detector(temporary: Path) -> Path:
    """examples/shapes as a network to check with: its model, inputs, and what ONNX Runtime makes of them."""
    folder = temporary / "shapes"
    folder.mkdir()
    (model,) = (SHAPES / "model").glob("*.onnx")
    shutil.copyfile(model, folder / check.MODEL)
    session = ort.InferenceSession(str(model))
    (wanted,) = session.get_inputs()
    inputs = _prepared(np.load(SHAPES / "data" / "golden.npz")["input"][:GOLDEN])
    names = [output.name for output in session.get_outputs()]
    made = [session.run(names, {wanted.name: inputs[i : i + 1]}) for i in range(len(inputs))]
    pictures = [_picture(file) for file in sorted((SHAPES / "data" / "calib").glob("*.ppm"))]
    np.savez(folder / check.CALIBRATION, **{wanted.name: _prepared(np.stack(pictures))})
    np.savez(folder / check.INPUTS, **{wanted.name: inputs})
    np.savez(
        folder / check.OUTPUTS,
        **{n: np.concatenate(o) for n, o in zip(names, zip(*made, strict=True), strict=True)},
    )
    return folder


def _prepared(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) → float32 (N, 3, 160, 160), by the pipeline that the detector was trained with."""
    spec = importlib.util.spec_from_file_location("shapes_pipeline", SHAPES / "train" / "pipeline.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    prepared: np.ndarray = module.prepare(pictures)
    return prepared.astype(np.float32)


def _picture(file: Path) -> np.ndarray:
    """A binary PPM with 8 bits, as examples/shapes writes them: uint8 (H, W, 3)."""
    data = file.read_bytes()
    magic, width, height, most = data.split(maxsplit=4)[:4]
    assert (magic, most) == (b"P6", b"255")
    shape = int(height), int(width), 3
    return np.frombuffer(data[-math.prod(shape) :], np.uint8).reshape(shape)
