"""``recipes/ID/check/`` of the recipes into ONNX: a network, inputs, and what another reader makes of them.

``python -m tests.recipes.imports.make_checks``; the networks are those of the tests here. OpenCV computes
Caffe's and Darknet's, the frameworks themselves recorded the others' (``make_*.py``).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import caffe_files as caffe
from . import darknet_files as darknet
from . import opencv
from .holding import NETS, recorded

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
# recipe → its files, the record, input's name, ONNX output → the record's
SAME, NUMBERED = ("near", "classes"), ("output0", "output1")
FRAMEWORKS: dict[str, tuple[tuple[str, ...], str, str, Mapping[str, str]]] = {
    "torchscript-onnx": (("torch.pt",), "torch.npz", "images", dict(zip(NUMBERED, NUMBERED, strict=True))),
    "torch-exported-onnx": (
        ("torch.pt2",),
        "torch.npz",
        "images",
        dict(zip(NUMBERED, NUMBERED, strict=True)),
    ),
    "savedmodel-onnx": (("tensorflow",), "tensorflow.npz", "images", dict(zip(SAME, SAME, strict=True))),
    "tflite-onnx": (("tensorflow.tflite",), "tensorflow.npz", "images", dict(zip(SAME, SAME, strict=True))),
    "paddle-onnx": (
        ("paddle.json", "paddle.pdiparams"),
        "paddle.npz",
        "images",
        dict(zip(NUMBERED, SAME, strict=True)),
    ),
    "mxnet-onnx": (
        ("mxnet-symbol.json", "mxnet-0000.params"),
        "mxnet.npz",
        "data",
        dict(zip(SAME, SAME, strict=True)),
    ),
}


def write(recipe: str, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> None:
    place = RECIPES / recipe / "check"
    np.savez(place / "inputs.npz", allow_pickle=False, **dict(inputs))
    np.savez(place / "outputs.npz", allow_pickle=False, **dict(outputs))


def fresh(recipe: str) -> Path:
    place = RECIPES / recipe / "check"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def frameworks() -> None:
    for recipe, (files, record, name, outputs) in FRAMEWORKS.items():
        place, said = fresh(recipe), recorded(record)
        for file in files:
            copy = shutil.copytree if (NETS / file).is_dir() else shutil.copyfile
            copy(NETS / file, place / file)
        given = said[name]
        if record == "tensorflow.npz":  # the ONNX model takes them channels first
            given = np.ascontiguousarray(np.moveaxis(given, 3, 1))
        write(recipe, {name: given}, {mine: said[theirs] for mine, theirs in outputs.items()})


def by_opencv(folder: Path) -> None:
    place = fresh("caffe-onnx")
    files = caffe.write(place, caffe.DEPLOY, caffe.blobs())
    tested = folder / "tested.prototxt"  # OpenCV reads the layers of the training too
    tested.write_text("".join(x for x in caffe.DEPLOY.splitlines(True) if "TRAIN" not in x))
    images = np.random.default_rng(1).standard_normal((2, 3, 33, 33)).astype(np.float32)
    names = ("near", "first_tanh", "prob")
    write("caffe-onnx", {"data": images}, opencv.compute("Caffe", (tested, files[1]), images, names, folder))

    place = fresh("darknet-onnx")
    files = darknet.write(place, darknet.DETECTOR, darknet.DETECTOR_COUNTS)
    images = np.random.default_rng(1).random((2, 3, 32, 48), dtype=np.float32)
    found = opencv.compute("Darknet", files, images, ("conv_10", "conv_16"), folder)
    write("darknet-onnx", {"images": images}, {"yolo_11": found["conv_10"], "yolo_17": found["conv_16"]})


if __name__ == "__main__":
    frameworks()
    with tempfile.TemporaryDirectory() as temporary:
        by_opencv(Path(temporary))
