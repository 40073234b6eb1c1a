"""recipes/onnx-paddlelite, for real: its own environment, x2paddle, Paddle Lite and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgepack.convert.errors import ConvertError

from . import nets
from .files import conv, node
from .trying import Told, Trial, ill_formed, refused_models

pytestmark = pytest.mark.heavy
DATA = {"images": np.random.default_rng(3).random((4, 3, 32, 32), dtype=np.float32)}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("onnx-paddlelite", tmp_path_factory.mktemp("paddlelite"))


def test_lenet_by_paddle_itself_where_paddle_lite_cannot_here(trial: Trial) -> None:
    digits = {"image": nets.digits()[:16]}
    result = trial.convert(nets.LENET, target="aarch64")
    report = result.report
    assert report["files"] == ["model.nb"]
    assert report["outputs"] == [{"name": "logits", "tensor": "logits", "shape": [1, 10]}]
    assert report["operators"] == {"Conv": 2, "Flatten": 1, "Gemm": 3, "MaxPool": 2, "Relu": 4}
    assert "matmul_v2" in report["warnings"][0]
    assert "was not run" in report["warnings"][0]
    assert result.least_cosine(digits)["logits"] >= 0.99999
    assert not trial.recipe.about.reproducible


def test_what_cannot_be_computed_here_in_its_precision_is_refused(trial: Trial) -> None:
    refused = trial.refusal(nets.LENET, "w8", target="aarch64")
    assert refused.what.startswith("nothing here can compute this model in w8")
    assert "matmul_v2" in refused.why


@pytest.mark.parametrize(
    ("precision", "arch", "least"), [("fp32", "x86_64", 0.999999), ("w8", "armhf", 0.999)]
)
def test_branches(trial: Trial, tmp_path: Path, precision: str, arch: str, least: float) -> None:
    result = trial.convert(nets.branches(tmp_path), precision, target=arch)
    found = result.least_cosine(DATA)
    assert set(found) == {"near", "far"}
    assert least <= min(found.values())
    assert bool(result.report["warnings"]) == (arch != "x86_64")


def test_an_alpha_that_is_not_said_is_onnx_s_default(trial: Trial, tmp_path: Path) -> None:
    """x2paddle ends in a KeyError where there is none; the recipe holds what came of it to ONNX Runtime."""
    file = tmp_path / "leaky.onnx"
    onnx.save(conv(node("LeakyRelu", "c")), file)
    report = trial.convert(file, target="x86_64").report
    assert report["operators"] == {"Conv": 1, "LeakyRelu": 1}
    assert report["parity"]["y"]["max_abs"] < 1e-4


TOLD = {
    "det": Told(ConvertError, "x2paddle has nothing for Det (node second)", "other operators"),
    **ill_formed("7 to 15"),
}


@pytest.mark.parametrize("which", TOLD)
def test_what_users_are_told(trial: Trial, tmp_path: Path, which: str) -> None:
    files = refused_models(tmp_path, det=conv(node("Det", "c"), y=("y", 1, (1, 4))))
    TOLD[which].of(trial.refusal(files[which], target="x86_64"))


def test_a_target_of_unknown_architecture(trial: Trial) -> None:
    refused = trial.refusal(nets.LENET, target="some-board")
    assert "some-board does not say" in refused.what
    assert "aarch64" in refused.fix


def test_the_program_and_the_declaration_agree_on_opsets(trial: Trial) -> None:
    assert trial.opsets_written() in trial.program()
