"""What `edgepack check` tells of a model: a table of facts and what must be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from edgepack.model.lint import Known, Lacking, Subject, Toolkit, lint


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


def has(*operators: str, complete: bool = False, lacks: Sequence[Lacking] = ()) -> dict[str, Any]:
    knows = Known(frozenset(operators), complete, "the maker's list")
    return {"toolkits": [Toolkit("onnx-npu", "NPU tool 2", lacks, knows)]}


NPU = {"target": "npu", "recipe": "onnx-npu", "precision": "int8"}
# An accelerator of which all is known.
WHOLE = {"accelerated": True, "channels": 16, "memory_mb": 512.0, "tops": 6.0}


@pytest.mark.parametrize(
    ("of", "subject", "weight", "says"),
    [
        (facts(opset=20), {"opsets": (7, 19)}, "note", "opset 20: onnx-npu takes 7 to 19"),
        (
            facts(nodes={"NonMaxSuppression": ["nms"]}),
            has("Conv", lacks=[Lacking("NonMaxSuppression", "do it in post")]),
            "stops",
            "onnx-npu has nothing for NonMaxSuppression: 1 × (nms)",
        ),
        (
            facts(
                nodes={"Resize": ["up", "down"]},
                attributes={"Resize": [{"mode": "nearest", "rank": 4}, {"mode": "cubic", "rank": 4}]},
            ),
            has("Resize", lacks=[Lacking("Resize", when={"mode": "cubic"})]),
            "stops",
            "onnx-npu has nothing for Resize, mode cubic: 1 × (down)",
        ),
        (
            facts(nodes={"Det": [f"d{n}" for n in range(6)]}, operators={"Det": 300}),
            has("Conv", lacks=[Lacking("Det")]),
            "stops",
            "300 × (d0, d1, d2, d3 and 296 more)",
        ),
        (
            facts(nodes={"Conv": ["c"], "Det": ["d"]}),
            has("Conv", complete=True),
            "stops",
            "NPU tool 2 has no Det: 1 × (d)",
        ),
        (
            facts(nodes={"Conv": ["c"], "Det": ["d"]}),
            has("Conv"),
            "note",
            "whether NPU tool 2 has Det is not known here",
        ),
        (
            facts(),
            {"toolkits": [Toolkit("onnx-npu", "NPU tool 2")]},
            "note",
            "which operators NPU tool 2 knows is not known here",
        ),
        (
            facts(),
            {"accelerated": True},
            "note",
            "not known here of npu: its memory, its operations a second in int8, how many channels it",
        ),
        (facts(parameters=200_000_000), {}, "note", "not known here of npu: its memory"),
        (facts(parameters=600_000_000), {"memory_mb": 512.0}, "stops", "weights take 600 MB in int8"),
        (facts(parameters=200_000_000), {"memory_mb": 512.0}, "slows", "200 MB of the box's 512"),
        (facts(layer={"output": [1, 30, 80, 80]}), {"channels": 16}, "slows", "a multiple of 16 channels"),
        (facts(layer={"strides": [4, 4]}), WHOLE, "slows", "a stride above 2 (c1)"),
        (facts(inputs=[{"tensor": "x", "shape": [1, 3, 150, 160]}]), {}, "slows", "the input x is 150×160"),
        (facts(macs=3_000_000_000), {"tops": 6.0}, "note", "6 G operations: at most 1,000 images a second"),
        (facts(macs=416_500), {"tops": 6.0}, "note", "833 k operations: at most"),
        (facts(warnings=["the open batch was fixed to 1"]), {}, "note", "the open batch was fixed to 1"),
    ],
)
def test_what_hurts_is_told(of: dict[str, Any], subject: dict[str, Any], weight: str, says: str) -> None:
    told = lint(of, Subject(**NPU, **subject))
    (finding,) = [one for one in told if "operations: at most" not in one.what or says in one.what]
    assert finding.weight == weight
    assert says in finding.what


def test_what_fits_is_not_complained_of() -> None:
    toolkit = has("Conv", lacks=[Lacking("Resize"), Lacking("Conv", when={"rank": 5})])
    subject = Subject(**NPU, opsets=(7, 19), **WHOLE, **toolkit)
    of = facts(nodes={"Conv": ["c1"], "Constant": ["k"]}, attributes={"Conv": [{"rank": 4}]}, macs=0)
    assert lint(of, subject) == []


def test_what_a_processor_does_is_not_told_of_an_npus() -> None:
    assert lint(facts(layer={"strides": [4, 4]}), Subject(**NPU)) == []


def test_what_stops_comes_first() -> None:
    of = facts(parameters=600_000_000, warnings=["w"], layer={"strides": [4, 4]}, macs=0)
    assert [finding.weight for finding in lint(of, Subject(**NPU, **WHOLE))] == ["stops", "slows", "note"]
