"""What is sent to a box that converts by itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgepack.catalog import recipes
from edgepack.convert import sdk_box
from edgepack.convert.errors import ConvertError
from edgepack.convert.recipe import Request

LENET = Path(__file__).parents[2] / "examples/digits/model/lenet.onnx"
TENSORRT = recipes.load_all(None)["onnx-tensorrt"]


def test_a_box_gets_the_model_and_the_steps(tmp_path: Path) -> None:
    packed = sdk_box.pack(TENSORRT, Request(LENET, "fp16", tmp_path))
    assert sorted(packed.files) == ["model.onnx", "on-box.json"]
    assert packed.files["model.onnx"].read_bytes() == LENET.read_bytes()
    body = json.loads(packed.files["on-box.json"].read_text())
    assert body["places"] == ["/usr/src/tensorrt/bin/trtexec", "/usr/bin/python3"]
    assert body["versions"] == ">=8,<11"
    (step,) = body["steps"]
    assert step["program"] == "trtexec"
    assert [a["words"] for a in step["args"][:3]] == [
        ["--onnx=@RELEASE@/model/model.onnx"],
        ["--saveEngine=@OUT@/model.engine"],
        ["--fp16"],
    ]
    conditional = {a["if_help"]: a["words"] for a in step["args"] if "if_help" in a}
    assert conditional["--memPoolSize"] == ["--memPoolSize=workspace:1024"]
    assert conditional["!--memPoolSize"] == ["--workspace=1024"]
    assert (step["makes"], step["fails_on"], step["says"]) == (
        ["model.engine"],
        ["&&&& FAILED"],
        ["&&&& PASSED"],
    )
    assert packed.report["on_box"] == {"makes": ["model.engine"]}
    assert packed.report["proof"] == "by contract only"


def test_int8_brings_its_samples_and_its_script(tmp_path: Path) -> None:
    samples = np.random.default_rng(3).random((2, 1, 28, 28), np.float32)
    np.savez(tmp_path / "calibration.npz", image=samples)
    out = tmp_path / "out"
    out.mkdir()
    packed = sdk_box.pack(TENSORRT, Request(LENET, "int8", out, calibration=tmp_path / "calibration.npz"))
    assert "on-box/calibrate.py" in packed.files
    listed = packed.files["on-box/calibration/list.txt"].read_text()
    assert listed == "image/0000.bin\nimage/0001.bin\n"
    raw = np.fromfile(packed.files["on-box/calibration/image/0001.bin"], np.float32)
    assert (raw == samples[1].ravel()).all()
    calibrate, build = json.loads(packed.files["on-box.json"].read_text())["steps"]
    assert [word for arg in calibrate["args"] for word in arg["words"]] == [
        "@RELEASE@/model/on-box/calibrate.py",
        "@RELEASE@/model/model.onnx",
        "@RELEASE@/model/on-box/calibration/list.txt",
        "@WORK@/model.cache",
        "entropy",
    ]
    assert ["--calib=@WORK@/model.cache"] in [arg["words"] for arg in build["args"]]
    assert str(tmp_path) not in packed.files["on-box.json"].read_text()


def test_int8_without_samples_is_refused_here_and_not_on_the_box(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="needs calibration data"):
        sdk_box.pack(TENSORRT, Request(LENET, "int8", tmp_path))
