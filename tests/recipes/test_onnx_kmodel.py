"""recipes/onnx-kmodel, for real: its own environment, nncase 1.9 and its simulator."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from edgepack.errors import EdgepackError

from .boards import Board
from .files import conv, node

pytestmark = pytest.mark.heavy
LEAST = {"fp32": 0.99999, "bf16": 0.9999, "int8": 0.998}


@pytest.mark.parametrize(
    ("precision", "chip"), [("fp32", "k210"), ("int8", "k210"), ("bf16", "k510"), ("int8", "k510")]
)
def test_each_chip_in_each_precision(tmp_path: Path, precision: str, chip: str) -> None:
    samples = 16 if chip == "k210" else 3  # K510's simulator takes seconds for each
    held = Board("onnx-kmodel", tmp_path, samples=samples).held(precision, chip)
    assert held.cosine >= LEAST[precision]
    assert held.agreement == 1.0
    assert held.converted.files["model.kmodel"].read_bytes()[:8] == b"LDMK\x05\x00\x00\x00"


@pytest.mark.parametrize(("method", "least"), [("minmax", 0.998), ("mse", 0.998), ("percentile", 0.99)])
def test_the_ways_to_find_ranges(tmp_path: Path, method: str, least: float) -> None:
    held = Board("onnx-kmodel", tmp_path).held("int8", "k210", quantisation={"method": method})
    assert held.cosine >= least


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [
        Board("onnx-kmodel", tmp_path / run).convert("int8", "k210").files["model.kmodel"].read_bytes()
        for run in ("a", "b")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("precision", "chip", "more", "said"),
    [
        ("bf16", "k210", {}, "fp32"),
        ("fp16", "k510", {}, "bf16"),
        ("int8", "k230", {}, "k210 or k510"),
        ("int8", "k210", {"calibrated": False}, "calibration"),
        ("int8", "k210", {"quantisation": {"method": "kl"}}, "percentile"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, precision: str, chip: str, more: dict[str, object], said: str
) -> None:
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-kmodel", tmp_path).convert(precision, chip, **more)
    assert said in " ".join((caught.value.what, caught.value.why, caught.value.fix))


def test_an_operator_that_it_lacks_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(conv(node("Det", "c"), y=("y", TensorProto.FLOAT, (1, 4))), file)
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-kmodel", tmp_path, file).convert("fp32", "k210")
    assert "Det" in caught.value.what + caught.value.detail
    assert caught.value.fix
