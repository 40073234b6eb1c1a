"""recipes/paddle-onnx, for real, held to what Paddle itself computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.convert.errors import ModelError

from .imports.holding import NETS, hold, recorded
from .trying import Trial

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("paddle-onnx", tmp_path_factory.mktemp("paddle"))


@pytest.mark.parametrize("name", ["paddle.json", "paddle-old.pdmodel"])
def test_as_paddle_computes_it(trial: Trial, name: str) -> None:
    result = trial.convert(NETS / name, weights=(NETS / name).with_suffix(".pdiparams"))
    said = recorded("paddle.npz")
    assert [(i["name"], i["shape"]) for i in result.report["inputs"]] == [("images", [1, 3, 32, 32])]
    assert [o["shape"] for o in result.report["outputs"]] == [[1, 6, 16, 16], [1, 5]]
    opsets = trial.recipe.about.opsets
    assert opsets
    assert opsets.min <= result.report["opset"] <= opsets.max
    assert {"Conv", "BatchNormalization", "Add", "Concat", "Resize"} <= set(result.report["operators"])
    hold(result, {"images": said["images"]}, {"output0": said["near"], "output1": said["classes"]})


def test_what_users_are_told(trial: Trial, tmp_path: Path) -> None:
    model = tmp_path / "net.json"
    model.write_bytes((NETS / "paddle.json").read_bytes())
    refused = trial.refusal(model)
    assert isinstance(refused, ModelError)
    assert "model.weights" in refused.fix
    weights = NETS / "paddle.pdiparams"
    model.write_text('{"hello": "world"}')
    assert "JSON of something else" in trial.refusal(model, weights=weights).why
    model.write_text("hello")
    assert "it is not JSON" in trial.refusal(model, weights=weights).why
