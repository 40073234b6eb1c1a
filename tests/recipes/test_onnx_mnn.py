"""recipes/onnx-mnn, for real: its own environment, MNN and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgepack.convert.errors import ConvertError, ConvertParityError

from . import nets
from .files import conv, node
from .trying import Result, Told, Trial, ill_formed, refused_models

pytestmark = pytest.mark.slow

SHAPES = Path(__file__).parents[2] / "examples" / "shapes" / "model" / "shapes.onnx"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("onnx-mnn", tmp_path_factory.mktemp("mnn"))


@pytest.fixture(scope="module")
def digits() -> dict[str, nets.Floats]:
    return {"image": nets.digits()}


@pytest.fixture(scope="module")
def int8(trial: Trial, digits: dict[str, nets.Floats]) -> Result:
    return trial.convert(nets.LENET, "int8", digits)


@pytest.mark.parametrize(
    ("precision", "least", "bytes_each"), [("fp32", 0.99999, 4), ("fp16", 0.9999, 2), ("w8", 0.999, 1)]
)
def test_lenet_in_floating_point(
    trial: Trial, digits: dict[str, nets.Floats], precision: str, least: float, bytes_each: int
) -> None:
    result = trial.convert(nets.LENET, precision)
    report = result.report
    assert report["files"] == ["model.mnn"]
    assert report["inputs"] == [
        {"name": "image", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32", "layout": "NCHW"}
    ]
    assert report["outputs"] == [{"name": "logits", "tensor": "logits", "shape": [1, 10]}]
    assert report["operators"] == {"Conv": 2, "Flatten": 1, "Gemm": 3, "MaxPool": 2, "Relu": 4}
    assert {"Convolution", "Pooling"} <= set(report["layers"])
    assert 0 <= result.size() - 61_706 * bytes_each < 12_000
    assert result.least_cosine(digits)["logits"] >= least


def test_lenet_in_8_bits(trial: Trial, int8: Result, digits: dict[str, nets.Floats]) -> None:
    assert int8.least_cosine(digits)["logits"] >= 0.999
    assert int8.size() < 75_000
    assert trial.recipe.about.reproducible
    assert trial.convert(nets.LENET, "int8", digits).bytes_of() == int8.bytes_of()


@pytest.mark.parametrize(("method", "least"), [("admm", 0.96), ("ema", 0.94)])
def test_the_other_ways_to_find_ranges(
    trial: Trial, int8: Result, digits: dict[str, nets.Floats], method: str, least: float
) -> None:
    result = trial.convert(nets.LENET, "int8", digits, quantisation={"method": method})
    assert result.bytes_of() != int8.bytes_of()
    assert result.least_cosine(digits)["logits"] >= least


def test_asymmetric_weights_are_something_else(trial: Trial, digits: dict[str, nets.Floats]) -> None:
    made = {
        scheme: trial.convert(nets.LENET, "w8", quantisation={"scheme": scheme})
        for scheme in ("symmetric", "asymmetric")
    }
    assert made["symmetric"].bytes_of() != made["asymmetric"].bytes_of()
    assert made["asymmetric"].least_cosine(digits)["logits"] >= 0.999


def test_kept_operators_stay_in_floating_point(
    trial: Trial, int8: Result, digits: dict[str, nets.Floats]
) -> None:
    kept = trial.convert(nets.LENET, "int8", digits, keep=("conv2", "dense2"))
    assert kept.report["kept"] == ["conv2", "dense2"]
    weights = 16 * 6 * 25 + 84 * 120
    assert 2.7 * weights < kept.size() - int8.size() < 3 * weights
    assert kept.least_cosine(digits)["logits"] >= 0.999
    refused = trial.refusal(nets.LENET, "int8", data=digits, keep=("nothing",))
    assert refused.what == "no operator of the model is called nothing"
    assert "conv1" in refused.fix


def test_branches_and_the_tensors_between(trial: Trial, tmp_path: Path) -> None:
    data = {"images": np.random.default_rng(3).random((4, 3, 32, 32), dtype=np.float32)}
    result = trial.convert(nets.branches(tmp_path))
    found = result.least_cosine(data, taps=("*",))
    assert {"near", "far", "tap:act", "tap:sum", "tap:down", "tap:up", "tap:both"} <= set(found)
    assert min(found.values()) > 0.99999
    assert set(result.compute(data, taps=("sum",))) == {"near", "far", "tap:sum"}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_all_tensors_of_a_detector_are_what_they_are_called(trial: Trial, precision: str) -> None:
    """MNN gives a view of its own memory, which another tensor may have by the time that it is read."""
    data = {"image": np.random.default_rng(5).random((4, 3, 160, 160), dtype=np.float32)}
    result = trial.convert(SHAPES, precision, data if precision == "int8" else None)
    assert len(result.report["taps"]) > 100
    if precision == "fp32":
        assert min(result.least_cosine(data, taps=("*",)).values()) > 0.9999
    first, again = (result.compute(data, taps=("*",)) for _ in range(2))
    assert [name for name in first if first[name].tobytes() != again[name].tobytes()] == []


def test_a_tensor_that_was_merged_away_is_not_given_under_its_name(trial: Trial) -> None:
    """MNN leaves `dense1` as the name of what has gone through the ReLU behind it."""
    taps = trial.convert(nets.LENET).report["taps"]
    assert "relu3" in taps
    assert "dense1" not in taps


TOLD = {
    "hardmax": Told(ConvertError, "MNN has nothing for Hardmax (node second)", "other operators"),
    "shrink": Told(ConvertParityError, "does not compute what the trained one does (y)", "simplify"),
    "lppool": Told(ConvertError, "MNN does not survive the model that it converted", "simplify"),
    **ill_formed("7 to 26"),
}


@pytest.mark.parametrize("which", TOLD)
def test_what_users_are_told(trial: Trial, tmp_path: Path, which: str) -> None:
    files = refused_models(
        tmp_path,
        hardmax=conv(node("Hardmax", "c")),
        shrink=conv(node("Shrink", "c")),
        lppool=conv(node("LpPool", "c", kernel_shape=[2, 2]), y=("y", 1, (1, 4, 7, 7))),
    )
    TOLD[which].of(trial.refusal(files[which]))


def test_int8_without_data(trial: Trial) -> None:
    assert trial.refusal(nets.LENET, "int8").what == "int8 needs calibration data"


def test_the_program_and_the_declaration_agree_on_opsets(trial: Trial) -> None:
    assert trial.opsets_written() in trial.program()
