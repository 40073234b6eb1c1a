"""recipes/caffe-onnx, for real, held to OpenCV's own reader of Caffe's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgepack.convert.errors import ConvertError, ModelError
from edgepack.errors import EdgepackError

from .imports import caffe_files as caffe
from .imports import opencv
from .imports.holding import hold
from .trying import Trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("caffe-onnx", tmp_path_factory.mktemp("caffe"))


def test_as_opencv_reads_it(trial: Trial, tmp_path: Path) -> None:
    files = caffe.write(tmp_path, caffe.DEPLOY, caffe.blobs())
    result = trial.convert(files[0], weights=files[1])
    outputs = {"near": [1, 5, 8, 8], "first_tanh": [1, 3, 8, 8], "prob": [1, 7]}
    assert {o["name"]: o["shape"] for o in result.report["outputs"]} == outputs
    assert {"BatchNormalization", "PRelu", "LRN", "ConvTranspose", "Split", "Concat"} <= set(
        result.report["operators"]
    )
    images = np.random.default_rng(1).standard_normal((3, 3, 33, 33)).astype(np.float32)
    tested = tmp_path / "tested.prototxt"  # OpenCV reads the layers of the training too
    tested.write_text("".join(x for x in caffe.DEPLOY.splitlines(True) if "TRAIN" not in x))
    wanted = opencv.compute("Caffe", (tested, files[1]), images, tuple(outputs), tmp_path)
    hold(result, {"data": images}, wanted)


def test_a_net_of_2013(trial: Trial, tmp_path: Path) -> None:
    files = caffe.write(tmp_path, caffe.OLD, caffe.old_blobs(), old=True)
    result = trial.convert(files[0], weights=files[1])
    assert result.report["warnings"] == ["data: the batch of 10 became 1"]
    images = np.random.default_rng(2).random((3, 3, 16, 16), dtype=np.float32)
    wanted = opencv.compute("Caffe", files, images, ("s",), tmp_path)
    hold(result, {"data": images}, wanted)
    assert trial.convert(files[0]).bytes_of() == result.bytes_of()  # found by its name too


POOLS = [
    (kind, size, kernel, stride, pad)
    for kind in ("MAX", "AVE")
    for size in (7, 8, 9)
    for kernel, stride, pad in ((2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 3, 1), (2, 2, 1), (3, 1, 1))
]


def test_the_size_and_the_border_of_every_pooling(trial: Trial, tmp_path: Path) -> None:
    """Caffe rounds up; what an average counts at the border is a rule of its own."""
    layers = "".join(
        f'layer {{ name: "c{n}" type: "Convolution" bottom: "data{size}" top: "c{n}" convolution_param '
        "{ num_output: 2 kernel_size: 1 } }\n"
        f'layer {{ name: "p{n}" type: "Pooling" bottom: "c{n}" top: "p{n}" pooling_param {{ pool: {kind} '
        f"kernel_size: {kernel} stride: {stride} pad: {pad} }} }}\n"
        for n, (kind, size, kernel, stride, pad) in enumerate(POOLS)
    )
    rng = np.random.default_rng(9)
    for size in (7, 8, 9):
        numbers = [n for n, pool in enumerate(POOLS) if pool[1] == size]
        mine = "".join(line for line in layers.splitlines(True) if any(f'"c{n}"' in line for n in numbers))
        mine = mine.replace(f"data{size}", "data")
        head = f'input: "data" input_shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }}\n'
        weights = {f"c{n}": [rng.standard_normal((2, 3, 1, 1)), np.ones(2)] for n in numbers}
        files = caffe.write(tmp_path, head + mine, weights)
        result = trial.convert(files[0], weights=files[1])
        images = rng.standard_normal((2, 3, size, size)).astype(np.float32)
        names = tuple(f"p{n}" for n in numbers)
        hold(result, {"data": images}, opencv.compute("Caffe", files, images, names, tmp_path))


@pytest.mark.parametrize(
    ("prototxt", "lost", "kind", "what", "words"),
    [
        (caffe.DEPLOY.replace('"TanH"', '"Frob"'), "", ConvertError, "first_tanh (Frob), line 25",
         "deploy|post"),
        (caffe.DEPLOY, "body", ModelError, "layer body (Convolution), line 10 has no weights", "0 weights"),
        (caffe.DEPLOY.replace("num_output: 7", "num_output: 9"), "", ModelError, "[9, 648]", "[7, 648]"),
        (caffe.DEPLOY.replace('input: "data"', ""), "", ModelError, "no shape for its input",
         "deploy.prototxt"),
        (caffe.DEPLOY.replace('bottom: "sum" top: "pool"', 'bottom: "sun" top: "pool"'), "", ModelError,
         "layer pool (Pooling), line 15 reads sun", "no layer before"),
        (caffe.DEPLOY[:-3], "", ModelError, "no Caffe prototxt", "it ends within"),
    ],
)  # fmt: skip
def test_what_users_are_told(
    trial: Trial, tmp_path: Path, prototxt: str, lost: str, kind: type[EdgepackError], what: str, words: str
) -> None:
    blobs = {name: arrays for name, arrays in caffe.blobs().items() if name != lost}
    files = caffe.write(tmp_path, prototxt, blobs)
    refused = trial.refusal(files[0], weights=files[1])
    assert isinstance(refused, kind)
    assert what.replace("[9, 648]", "[9, 648]") in refused.what
    assert any(word in refused.why + refused.fix for word in words.split("|"))


def test_files_that_are_none(trial: Trial, tmp_path: Path) -> None:
    model, weights = caffe.write(tmp_path, caffe.DEPLOY, caffe.blobs())
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "cut off" in trial.refusal(model, weights=weights).what
    assert "not text" in trial.refusal(weights, weights=weights).why
    weights.unlink()
    assert "model.weights" in trial.refusal(model).fix
