"""examples/digits: what is committed is what its training script says it is."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
HEAD = b"P5\n8 8\n16\n"

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def pipeline() -> ModuleType:
    """train/pipeline.py, the Python twin of ``pre``."""
    sys.path.insert(0, str(DIGITS / "train"))
    try:
        import pipeline as twin
    finally:
        sys.path.pop(0)
    return twin


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (DIGITS / "data" / "val" / "labels.csv").open(newline="") as f:
        return list(csv.DictReader(f))


@pytest.fixture(scope="module")
def held_out(rows: list[dict[str, str]]) -> Images:
    """The images of labels.csv, (N, 8, 8) uint8."""
    files = [(DIGITS / "data" / "val" / row["file"]).read_bytes() for row in rows]
    assert all(file.startswith(HEAD) and len(file) == len(HEAD) + 64 for file in files)
    return np.stack([np.frombuffer(file, np.uint8, offset=len(HEAD)).reshape(8, 8) for file in files])


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(DIGITS / "data" / "golden.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def logits(pipeline: ModuleType, held_out: Images) -> NDArray[np.float32]:
    """ONNX Runtime's answers now, on this machine."""
    session = ort.InferenceSession(DIGITS / "model" / "lenet.onnx", providers=["CPUExecutionProvider"])
    prepared = pipeline.prepare(held_out)
    return np.concatenate([session.run(["logits"], {"image": x[None]})[0] for x in prepared])


def test_labels_name_every_image_once(rows: list[dict[str, str]]) -> None:
    assert list(rows[0]) == ["file", "label", "reference"]
    files = [row["file"] for row in rows]
    assert len(files) == len(set(files)) == 360
    assert set(files) == {path.name for path in (DIGITS / "data" / "val").glob("*.pgm")}
    assert {row["label"] for row in rows} == {row["reference"] for row in rows} == set("0123456789")


def test_images_hold_the_sets_own_range(held_out: Images) -> None:
    assert held_out.max() == 16
    assert held_out.min() == 0


def test_references_are_onnx_runtimes(rows: list[dict[str, str]], logits: NDArray[np.float32]) -> None:
    assert [int(row["reference"]) for row in rows] == logits.argmax(axis=1).tolist()


def test_the_accuracy_is_the_reports(rows: list[dict[str, str]], logits: NDArray[np.float32]) -> None:
    report = json.loads((DIGITS / "data" / "train-report.json").read_text())
    right = sum(int(row["label"]) == answer for row, answer in zip(rows, logits.argmax(axis=1), strict=True))
    assert report["correct"] == right
    assert report["accuracy"] == pytest.approx(right / 360, abs=1e-6)
    assert report["accuracy"] >= 0.98


def test_golden_vectors_are_the_models_own(
    golden: dict[str, NDArray[np.generic]],
    held_out: Images,
    logits: NDArray[np.float32],
    pipeline: ModuleType,
) -> None:
    shapes = {name: (array.dtype.name, array.shape) for name, array in golden.items()}
    assert shapes == {
        "input": ("uint8", (64, 8, 8)),
        "output.logits": ("float32", (64, 10)),
        "record.class": ("int64", (64,)),
        "record.confidence": ("float32", (64,)),
    }
    assert (golden["input"] == held_out[:64]).all()
    np.testing.assert_allclose(golden["output.logits"], logits[:64], atol=1e-4)
    assert (golden["record.class"] == logits[:64].argmax(axis=1)).all()
    chance = pipeline.softmax(logits[:64]).max(axis=1)
    np.testing.assert_allclose(golden["record.confidence"], chance, atol=1e-5)


def test_every_digit_is_among_the_golden_vectors(golden: dict[str, NDArray[np.generic]]) -> None:
    assert set(golden["record.class"].tolist()) == set(range(10))


def test_the_model_is_what_the_readme_says() -> None:
    model = onnx.load(DIGITS / "model" / "lenet.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 13
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, [d.dim_value for d in image.type.tensor_type.shape.dim]) == ("image", [1, 1, 28, 28])
    assert (logits.name, [d.dim_value for d in logits.type.tensor_type.shape.dim]) == ("logits", [1, 10])


def test_resize_is_the_one_that_onnx_defines(pipeline: ModuleType, held_out: Images) -> None:
    """ONNX's Resize, linear with half_pixel, is OpenCV's and PyTorch's convention too."""
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 360, 28, 28])
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear")
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", "y")]
    graph = helper.make_graph([node], "resize", values[:1], values[1:], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = held_out.astype(np.float32)
    (expected,) = session.run(None, {"x": x[None]})
    np.testing.assert_allclose(pipeline.resize(x), expected[0], atol=1e-4)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ([[0, 16], [8, 4]], [[0, 255], [127.5, 63.75]]),
        ([[100, 200], [150, 125]], [[0, 255], [127.5, 63.75]]),  # another camera, the same picture
        ([[7, 7], [7, 7]], [[0, 0], [0, 0]]),
    ],
)
def test_stretch_is_full_contrast(
    pipeline: ModuleType, image: list[list[int]], expected: list[list[float]]
) -> None:
    assert pipeline.stretch(np.array([image], np.uint8))[0].tolist() == expected


def test_the_manifest_and_the_twin_agree_on_numbers(pipeline: ModuleType) -> None:
    steps = yaml.safe_load((DIGITS / "edgepack.yaml").read_text())["pre"]
    assert [next(iter(step)) for step in steps] == ["code", "resize", "normalize"]
    assert steps[1]["resize"]["size"] == [pipeline.SIDE, pipeline.SIDE]
    numbers = steps[2]["normalize"]
    assert np.float32(numbers["scale"]) == pipeline.SCALE
    assert (numbers["mean"], numbers["std"]) == ([pipeline.MEAN], [pipeline.STD])


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [(True, {"TERM": "xterm"}, True), (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
     (True, {"TERM": "dumb"}, False), (True, {}, False), (False, {"TERM": "xterm"}, False)],
)  # fmt: skip
def test_the_demo_is_bold_on_a_terminal_alone(
    terminal: bool, environment: dict[str, str], coloured: bool
) -> None:
    read, write = pty.openpty() if terminal else os.pipe()
    env = {"PATH": os.environ["PATH"], "EDGEPACK": "true", **environment}
    try:
        # What it says fits in the buffer of a pipe, and of a terminal.
        subprocess.run(["sh", DIGITS / "demo.sh"], stdout=write, env=env, check=True)
        said = os.read(read, 1 << 16)
    finally:
        os.close(read)
        os.close(write)
    assert (b"\x1b" in said) == coloured
    assert b"== 1. convert" in said
