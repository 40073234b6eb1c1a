"""recipes/onnx-bmodel, for real: its own environment, tpu_mlir and the chips' simulators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgepack.errors import EdgepackError

from .boards import Board
from .files import conv, node

pytestmark = pytest.mark.heavy
LEAST = {"fp32": 0.99999, "fp16": 0.9999, "bf16": 0.9999, "int8": 0.998}
CHIPS = list(Board("onnx-bmodel", Path()).known.about.chips)
PAIRS = [
    (precision.name, chip)
    for precision in Board("onnx-bmodel", Path()).known.about.precisions
    for chip in precision.chips or CHIPS
]


@pytest.mark.parametrize(("precision", "chip"), PAIRS)
def test_each_chip_in_each_precision(tmp_path: Path, precision: str, chip: str) -> None:
    held = Board("onnx-bmodel", tmp_path, samples=4).held(precision, chip)
    assert held.cosine >= LEAST[precision]
    assert held.agreement == 1.0


@pytest.mark.parametrize("method", ["kl", "minmax", "percentile", "mse"])
def test_the_ways_to_find_ranges(tmp_path: Path, method: str) -> None:
    board = Board("onnx-bmodel", tmp_path, samples=4)
    assert board.held("int8", "cv181x", quantisation={"method": method}).cosine >= 0.99


@pytest.mark.parametrize("chip", ["bm1684", "cv181x"])
def test_kept_layers_stay_in_floating_point(tmp_path: Path, chip: str) -> None:
    keep = ("conv1", "conv2", "dense1", "dense2", "dense3")
    whole = Board("onnx-bmodel", tmp_path / "whole", samples=4).held("int8", chip)
    mixed = Board("onnx-bmodel", tmp_path / "mixed", samples=4).held("int8", chip, keep=keep)
    assert mixed.converted.report["kept"] == sorted(keep), "an activation is fused into what is before it"
    sizes = [next(iter(x.converted.files.values())).stat().st_size for x in (whole, mixed)]
    assert sizes[1] > sizes[0]
    wrong = [float(np.abs(x.outputs["logits"] - x.wanted).mean()) for x in (whole, mixed)]
    assert wrong[1] < wrong[0]


@pytest.mark.parametrize("chip", ["bm1684x", "cv181x"])
def test_taps_are_the_tensors_between_the_layers(tmp_path: Path, chip: str) -> None:
    """And, because they are made by a second conversion, that this gives the same bytes."""
    board = Board("onnx-bmodel", tmp_path, samples=2)
    found = board.simulate(board.convert("int8", chip), chip, ("*",))
    assert {"logits", "tap:relu1", "tap:pool1", "tap:relu2", "tap:pool2"} <= set(found)
    assert found["tap:relu1"].shape == (2, 6, 28, 28)
    assert found["tap:relu1"].min() >= 0 < found["tap:relu1"].max()


@pytest.mark.parametrize("last", ["Dropout", "Ceil"])
def test_an_output_has_the_trained_models_name_whatever_the_tool_calls_it(tmp_path: Path, last: str) -> None:
    """tpu_mlir names it after the layer before it where the node is folded away, or does not append to it."""
    file = tmp_path / "model.onnx"
    onnx.save(conv(node(last, "c")), file)
    report = Board("onnx-bmodel", tmp_path, file).convert("fp32", "bm1684x").report
    assert [output["tensor"] for output in report["outputs"]] == ["y"]
    assert report["parity"]["y"]["cosine_min"] > 0.9999


@pytest.mark.parametrize("last", ["LeakyRelu", "Elu", "HardSigmoid"])
def test_an_attribute_that_is_not_said_is_onnx_s_default(tmp_path: Path, last: str) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(conv(node(last, "c")), file)
    report = Board("onnx-bmodel", tmp_path, file).convert("fp32", "bm1684x").report
    assert report["parity"]["y"]["max_abs"] < 1e-4


def test_an_operator_that_it_lacks_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(conv(node("Selu", "c")), file)
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-bmodel", tmp_path, file).convert("fp32", "bm1684x")
    assert "Selu (node second)" in caught.value.what


@pytest.mark.parametrize(
    ("precision", "chip", "more", "said"),
    [
        ("fp16", "bm1684", {}, "fp32 and int8 only"),
        ("fp32", "cv181x", {}, "another precision"),
        ("int4", "bm1688", {}, "int8"),
        ("int8", "bm1684x", {"calibrated": False}, "calibration"),
        ("int8", "bm1684x", {"keep": ("nobody",)}, "nobody"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, precision: str, chip: str, more: dict[str, object], said: str
) -> None:
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-bmodel", tmp_path).convert(precision, chip, **more)
    assert said in " ".join((caught.value.what, caught.value.why, caught.value.fix))
