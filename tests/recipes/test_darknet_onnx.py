"""recipes/darknet-onnx, for real, held to OpenCV's own reader of Darknet's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgepack.convert.errors import ConvertError, ModelError
from edgepack.errors import EdgepackError

from .imports import darknet_files as darknet
from .imports import opencv
from .imports.holding import hold
from .trying import Trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("darknet-onnx", tmp_path_factory.mktemp("darknet"))


NETS = {
    "detector": (
        darknet.DETECTOR,
        darknet.DETECTOR_COUNTS,
        {"yolo_11": "conv_10", "yolo_17": "conv_16"},
        {"BatchNormalization", "Add", "Concat", "Slice", "Resize", "MaxPool", "Softplus", "LeakyRelu"},
    ),
    "classifier": (
        darknet.CLASSIFIER,
        darknet.CLASSIFIER_COUNTS,
        {"softmax_5": "softmax_5"},
        {"GlobalAveragePool", "Gemm", "Softmax"},
    ),
}


@pytest.mark.parametrize("which", NETS)
def test_as_opencv_reads_it(trial: Trial, tmp_path: Path, which: str) -> None:
    layers, counts, outputs, operators = NETS[which]
    cfg, weights = darknet.write(tmp_path, layers, counts)
    result = trial.convert(cfg, weights=weights)
    assert [o["name"] for o in result.report["outputs"]] == list(outputs)
    assert operators <= set(result.report["operators"])
    assert bool(result.report["warnings"]) == (which == "detector")
    images = np.random.default_rng(1).random((3, 3, 32, 48), dtype=np.float32)
    found = opencv.compute("Darknet", (cfg, weights), images, tuple(outputs.values()), tmp_path)
    wanted = {name: found[theirs] for name, theirs in outputs.items()}
    if which == "classifier":
        wanted = {name: value.reshape(3, -1) for name, value in wanted.items()}
    hold(result, {"images": images}, wanted)


def test_weights_of_the_same_name_beside_it_and_the_same_bytes_twice(trial: Trial, tmp_path: Path) -> None:
    cfg, _ = darknet.write(tmp_path, darknet.CLASSIFIER, darknet.CLASSIFIER_COUNTS)
    assert trial.convert(cfg).bytes_of() == trial.convert(cfg).bytes_of()


LAYERS = darknet.CLASSIFIER


@pytest.mark.parametrize(
    ("layers", "tail", "kind", "what", "words"),
    [
        (LAYERS + "[lstm]\noutput=3\n", b"", ConvertError, "layer 6 [lstm], line 28", "convolutional"),
        (LAYERS.replace("=relu", "=gelu"), b"", ConvertError,
         "layer 1 [convolutional], line 14: activation=gelu", "mish"),
        (LAYERS.replace("size=3", "size=3\nxnor=1", 1), b"", ConvertError, "xnor=1 cannot be converted", ""),
        (LAYERS.replace("filters=12", "filters=13"), b"", ModelError, "ends before", "another cfg"),
        (LAYERS, bytes(8), ModelError, "net.weights does not belong to net.cfg", "2 of its"),
        (LAYERS + "[route]\nlayers=9\n", b"", ModelError, "no layer 9 before layer 6 [route]", ""),
        (LAYERS.replace("filters=8", "filters=eight"), b"", ModelError, "filters=eight is no whole number",
         "layer 0"),
        ("hello, world\n", b"", ModelError, "net.cfg is no Darknet cfg", "line 6"),
    ],
)  # fmt: skip
def test_what_users_are_told(
    trial: Trial, tmp_path: Path, layers: str, tail: bytes, kind: type[EdgepackError], what: str, words: str
) -> None:
    cfg, weights = darknet.write(tmp_path, layers, darknet.CLASSIFIER_COUNTS)
    weights.write_bytes(weights.read_bytes() + tail)
    refused = trial.refusal(cfg, weights=weights)
    assert isinstance(refused, kind)
    assert what in refused.what
    assert words in refused.why + refused.fix


def test_the_weights_are_not_there(trial: Trial, tmp_path: Path) -> None:
    cfg, weights = darknet.write(tmp_path, darknet.CLASSIFIER, darknet.CLASSIFIER_COUNTS)
    weights.unlink()
    assert "model.weights" in trial.refusal(cfg).fix
