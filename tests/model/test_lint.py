"""What `edgepack check` tells of a model: a table of facts and what must be said of them."""

from __future__ import annotations

from typing import Any

import pytest

from edgepack.model.lint import Subject, lint


def facts(**changed: Any) -> dict[str, Any]:
    conv = {
        "node": "c1",
        "op": "Conv",
        "input": [1, 3, 160, 160],
        "output": [1, 32, 80, 80],
        "weight": [32, 3, 3, 3],
        "macs": 1_000_000,
        "strides": [2, 2],
    }
    plain = {
        "opset": 13,
        "nodes": {"Conv": ["c1"]},
        "macs": 1_000_000,
        "parameters": 1_000_000,
        "inputs": [{"tensor": "images", "shape": [1, 3, 160, 160]}],
        "weighted": [conv],
    }
    layer = changed.pop("layer", {})
    return {**plain, "weighted": [{**conv, **layer}], **changed}


NPU = {"target": "npu", "recipe": "onnx-npu", "precision": "int8"}


@pytest.mark.parametrize(
    ("of", "subject", "weight", "says"),
    [
        (facts(opset=20), {"opsets": (7, 19)}, "stops", "opset 20: onnx-npu takes 7 to 19"),
        (
            facts(nodes={"NonMaxSuppression": ["nms"]}),
            {"lacks": {"NonMaxSuppression": "do it in post"}},
            "stops",
            "onnx-npu has nothing for NonMaxSuppression (nms)",
        ),
        (facts(parameters=600_000_000), {"memory_mb": 512.0}, "stops", "weights take 600 MB in int8"),
        (facts(parameters=200_000_000), {"memory_mb": 512.0}, "slows", "200 MB of the box's 512"),
        (facts(layer={"output": [1, 30, 80, 80]}), {"channels": 16}, "slows", "a multiple of 16 channels"),
        (facts(layer={"strides": [4, 4]}), {}, "slows", "a stride above 2 (c1)"),
        (facts(inputs=[{"tensor": "x", "shape": [1, 3, 150, 160]}]), {}, "slows", "the input x is 150×160"),
        (facts(macs=3_000_000_000), {"tops": 6.0}, "note", "at most 1,000 images a second"),
        (facts(warnings=["the open batch was fixed to 1"]), {}, "note", "the open batch was fixed to 1"),
    ],
)
def test_what_hurts_is_told(of: dict[str, Any], subject: dict[str, Any], weight: str, says: str) -> None:
    (finding,) = lint(of, Subject(**NPU, **subject))
    assert finding.weight == weight
    assert says in finding.what


def test_what_fits_is_not_complained_of() -> None:
    subject = Subject(**NPU, opsets=(7, 19), channels=16, memory_mb=512.0, lacks={"Resize": "…"})
    assert lint(facts(), subject) == []


def test_what_stops_comes_first() -> None:
    told = lint(facts(opset=30, warnings=["w"], layer={"strides": [4, 4]}), Subject(**NPU, opsets=(7, 19)))
    assert [finding.weight for finding in told] == ["stops", "slows", "note"]
