"""recipes/savedmodel-onnx and recipes/tflite-onnx, for real, held to what TensorFlow itself computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgepack.convert.errors import ModelError

from .imports.holding import NETS, hold, recorded
from .trying import Trial

pytestmark = pytest.mark.heavy

OUTPUTS = {"near": [1, 16, 16, 6], "classes": [1, 5]}


@pytest.mark.parametrize(
    ("recipe", "file"), [("savedmodel-onnx", "tensorflow"), ("tflite-onnx", "tensorflow.tflite")]
)
def test_as_tensorflow_computes_it(tmp_path: Path, recipe: str, file: str) -> None:
    trial = Trial(recipe, tmp_path)
    result = trial.convert(NETS / file)
    said = recorded("tensorflow.npz")
    assert [(i["name"], i["shape"]) for i in result.report["inputs"]] == [("images", [1, 3, 32, 32])]
    assert {o["name"]: o["shape"] for o in result.report["outputs"]} == OUTPUTS
    assert result.report["warnings"] == ["images: (N, H, W, C) became (N, C, H, W)"]
    assert result.report["opset"] == trial.recipe.about.opsets.max
    assert {"Conv", "Add", "Concat", "LeakyRelu", "MaxPool"} <= set(result.report["operators"])
    turned = np.ascontiguousarray(np.moveaxis(said["images"], 3, 1))
    hold(result, {"images": turned}, {name: said[name] for name in OUTPUTS})


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "tries").mkdir()
    saved, tflite = (Trial(f"{name}-onnx", tmp_path / "tries") for name in ("savedmodel", "tflite"))
    refused = saved.refusal(tmp_path / "folder")
    assert isinstance(refused, ModelError)
    assert "no saved_model.pb" in refused.why
    (tmp_path / "folder" / "saved_model.pb").write_bytes(b"hello" * 100)
    assert "TensorFlow does not load folder" in saved.refusal(tmp_path / "folder").what
    (tmp_path / "net.tflite").write_bytes(b"hello" * 100)
    assert "no TFLite file" in tflite.refusal(tmp_path / "net.tflite").what
    (tmp_path / "cut.tflite").write_bytes((NETS / "tensorflow.tflite").read_bytes()[:6000])
    assert "does not load cut.tflite" in tflite.refusal(tmp_path / "cut.tflite").what
