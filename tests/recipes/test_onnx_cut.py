"""Models cut short by recipes/onnx: where, and that the beginnings compute what the whole has there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from .asked import Report, ask, convert
from .nets import LENET, branches

pytestmark = pytest.mark.slow


def cuts(model: Report) -> list[tuple[list[str], list[str], str]]:
    found = ask("onnx", "cut.py", model["folder"] / "model.onnx")["cuts"]
    return [(row["tensors"], row["layers"], row["node"]) for row in found]


def test_lenet_is_cut_between_its_layers() -> None:
    """Not between a layer and its activation: toolkits compute the two together."""
    assert cuts(convert("onnx", LENET)) == [
        (["relu1"], ["conv1", "relu1"], "conv1"),
        (["pool1"], ["pool1"], "pool1"),
        (["relu2"], ["conv2", "relu2"], "conv2"),
        (["pool2"], ["pool2"], "pool2"),
        (["flatten1"], ["flatten1"], "flatten1"),
        (["relu3"], ["dense1", "relu3"], "dense1"),
        (["relu4"], ["dense2", "relu4"], "dense2"),
        (["logits"], ["dense3"], "dense3"),
    ]


def test_a_cut_takes_every_branch_along(tmp_path: Path) -> None:
    """All that is made before it and needed after it, the outputs that are made already among it."""
    assert cuts(convert("onnx", branches(tmp_path))) == [
        (["act"], ["stem", "norm", "act"], "stem"),
        (["act", "body"], ["body"], "body"),
        (["sum"], ["sum"], "sum"),
        (["sum", "far"], ["down", "gate", "swish"], "down"),
        (["sum", "far", "up"], ["up"], "up"),
        (["far", "both"], ["both"], "both"),
        (["near", "far"], ["head"], "head"),
    ]


def test_beginnings_compute_what_the_whole_has_there(tmp_path: Path) -> None:
    prepared = convert("onnx", branches(tmp_path))["folder"] / "model.onnx"
    found = ask("onnx", "cut.py", prepared)["cuts"]
    images = np.random.default_rng(11).standard_normal((1, 3, 32, 32)).astype(np.float32)
    whole = onnx.load(prepared)
    there = {o.name for o in whole.graph.output}
    names = {name for row in found for name in row["tensors"]}
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names - there))
    session = onnxruntime.InferenceSession(whole.SerializeToString())
    asked = [value.name for value in session.get_outputs()]
    wanted = dict(zip(asked, session.run(asked, {"images": images}), strict=True))
    before: set[str] = set()
    for row in found:
        made = ask("onnx", "cut.py", prepared, tensors=row["tensors"])
        file = made["folder"] / "model.onnx"
        onnx.checker.check_model(str(file), full_check=True)
        now = set(made["nodes"])
        assert now - before == set(row["layers"])
        before = now
        given = onnxruntime.InferenceSession(str(file)).run(row["tensors"], {"images": images})
        for name, value in zip(row["tensors"], given, strict=True):
            np.testing.assert_allclose(value, wanted[name], rtol=1e-5, atol=1e-5)


def test_what_is_not_there_is_no_cut() -> None:
    prepared = convert("onnx", LENET)["folder"] / "model.onnx"
    assert (
        ask("onnx", "cut.py", prepared, tensors=["pool3"])["error"]["what"]
        == "no node of the model makes pool3"
    )
