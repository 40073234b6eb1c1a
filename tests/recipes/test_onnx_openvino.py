"""recipes/onnx-openvino, for real: its own environment, OpenVINO, NNCF and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgepack.convert.errors import ConvertError

from . import nets
from .files import conv, node
from .trying import Result, Told, Trial, ill_formed, refused_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("onnx-openvino", tmp_path_factory.mktemp("openvino"))


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
    assert report["files"] == ["model.xml", "model.bin"]
    assert report["inputs"] == [
        {"name": "image", "tensor": "image", "shape": [1, 1, 28, 28], "dtype": "float32", "layout": "NCHW"}
    ]
    assert report["outputs"] == [{"name": "logits", "tensor": "logits", "shape": [1, 10]}]
    assert report["operators"] == {"Conv": 2, "Flatten": 1, "Gemm": 3, "MaxPool": 2, "Relu": 4}
    assert {"Convolution", "MatMul", "MaxPool"} <= set(report["layers"])
    assert 0 <= len(result.bytes_of()["model.bin"]) - 61_706 * bytes_each < 2000
    assert result.least_cosine(digits)["logits"] >= least


def test_lenet_in_8_bits(int8: Result, digits: dict[str, nets.Floats]) -> None:
    assert int8.least_cosine(digits)["logits"] >= 0.999
    assert "FakeQuantize" in int8.report["layers"]
    assert len(int8.bytes_of()["model.bin"]) < 65_000


def test_the_same_bytes_twice(trial: Trial, int8: Result, digits: dict[str, nets.Floats]) -> None:
    again = trial.convert(nets.LENET, "int8", digits)
    assert trial.recipe.about.reproducible
    assert again.bytes_of() == int8.bytes_of()


@pytest.mark.heavy
def test_every_way_to_quantise_that_is_declared_changes_something_and_computes(
    trial: Trial, digits: dict[str, nets.Floats]
) -> None:
    declared = trial.recipe.precision("int8")
    assert declared
    few = {"image": digits["image"][:8]}
    seen = {}
    for method in declared.methods:
        result = trial.convert(nets.LENET, "int8", few, quantisation={"method": method})
        seen[method] = result.bytes_of()["model.xml"] + result.bytes_of()["model.bin"]
    tensor = trial.convert(nets.LENET, "int8", few, quantisation={"granularity": "per-tensor"})
    assert len(set(seen.values())) == len(declared.methods)
    assert tensor.size() < len(seen["minmax"])  # one scale a layer instead of one a channel


def test_kept_operators_stay_in_floating_point(
    trial: Trial, int8: Result, digits: dict[str, nets.Floats]
) -> None:
    kept = trial.convert(nets.LENET, "int8", digits, keep=("conv1", "conv2"))
    assert kept.report["kept"] == ["conv1", "conv2"]
    weights = 6 * 25 + 16 * 6 * 25
    assert (
        2.9 * weights < len(kept.bytes_of()["model.bin"]) - len(int8.bytes_of()["model.bin"]) < 3.1 * weights
    )
    assert kept.least_cosine(digits)["logits"] > int8.least_cosine(digits)["logits"]
    refused = trial.refusal(nets.LENET, "int8", data=digits, keep=("nothing",))
    assert refused.what == "no operator of the model is called nothing"
    assert "conv1" in refused.fix


def test_branches_and_all_tensors_between(trial: Trial, tmp_path: Path) -> None:
    data = {"images": np.random.default_rng(3).random((4, 3, 32, 32), dtype=np.float32)}
    result = trial.convert(nets.branches(tmp_path))
    found = result.least_cosine(data, taps=("*",))
    assert {"near", "far", "tap:act", "tap:sum", "tap:down", "tap:up", "tap:both"} <= set(found)
    assert min(found.values()) > 0.999999
    assert set(result.compute(data, taps=("sum",))) == {"near", "far", "tap:sum"}


TOLD = {
    "det": Told(ConvertError, "OpenVINO has nothing for Det (node second)", "standard ONNX operators"),
    **ill_formed("7 to 26"),
}


@pytest.mark.parametrize("which", TOLD)
def test_what_users_are_told(trial: Trial, tmp_path: Path, which: str) -> None:
    files = refused_models(tmp_path, det=conv(node("Det", "c"), y=("y", 1, (1, 4))))
    TOLD[which].of(trial.refusal(files[which]))


def test_int8_without_data(trial: Trial) -> None:
    assert trial.refusal(nets.LENET, "int8").what == "int8 needs calibration data"


def test_the_program_and_the_declaration_agree_on_opsets(trial: Trial) -> None:
    assert trial.opsets_written() in trial.program()
