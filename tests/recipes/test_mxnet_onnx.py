"""recipes/mxnet-onnx, for real, held to what MXNet itself computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.convert.errors import ModelError

from .imports.holding import NETS, hold, recorded
from .trying import Trial

pytestmark = pytest.mark.heavy

SYMBOL = NETS / "mxnet-symbol.json"
WEIGHTS = NETS / "mxnet-0000.params"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("mxnet-onnx", tmp_path_factory.mktemp("mxnet"))


def test_as_mxnet_computes_it(trial: Trial) -> None:
    result = trial.convert(SYMBOL, weights=WEIGHTS)
    said = recorded("mxnet.npz")
    outputs = {"near": [1, 6, 16, 16], "classes": [1, 5]}
    assert {o["name"]: o["shape"] for o in result.report["outputs"]} == outputs
    assert [(i["name"], i["shape"]) for i in result.report["inputs"]] == [("data", [1, 3, 32, 32])]
    assert result.report["opset"] == trial.recipe.about.opsets.max
    assert {"Conv", "BatchNormalization", "Add", "Concat", "Resize"} <= set(result.report["operators"])
    hold(result, {"data": said["data"]}, {name: said[name] for name in outputs})
    assert trial.convert(SYMBOL).bytes_of() == result.bytes_of()  # the weights found by their name


def test_what_users_are_told(trial: Trial, tmp_path: Path) -> None:
    text = SYMBOL.read_text()
    bare = tmp_path / "bare-symbol.json"
    bare.write_text(text.replace('"__shape__"', '"__was__"'))
    refused = trial.refusal(bare, weights=WEIGHTS)
    assert isinstance(refused, ModelError)
    assert refused.what == "nothing says which shape the input data has"
    assert "__shape__" in refused.fix
    assert "model.shapes: {data: [1, 3, 224, 224]}" in refused.fix
    assert trial.convert(bare, weights=WEIGHTS, options={"shapes": {"data": [1, 3, 32, 32]}}).report["files"]
    assert "params file" in trial.refusal(bare).fix
    odd = tmp_path / "odd-symbol.json"
    odd.write_text(text.replace('"op": "UpSampling"', '"op": "Frobnicate"'))
    assert "MXNet has no operator Frobnicate" in trial.refusal(odd, weights=WEIGHTS).what
    cut = tmp_path / "cut.params"
    cut.write_bytes(WEIGHTS.read_bytes()[:3000])
    assert "does not load cut.params" in trial.refusal(SYMBOL, weights=cut).what
    odd.write_text("{}")
    assert "it has no nodes" in trial.refusal(odd, weights=WEIGHTS).why
