"""Gates on numbers: what holds, what does not, and in which words."""

from __future__ import annotations

import math

import pytest

from edgepack.convert.evaluation import Evaluation, Score, distances
from edgepack.plan.gates import Gates

GATES = Gates(0.99, 0.1)
GOOD = {"cosine": 0.995, "max_abs": 0.5, "mean_abs": 0.1, "max_reference": 10.0, "worst": 3}
CASES = {
    "holds": ({}, ""),
    "turned": ({"cosine": 0.98}, "output `y` is off: cosine 0.98000 (≥ 0.99)"),
    "too far": ({"max_abs": 1.5}, "output `y` is off: largest error 1.5 (≤ 1)"),
    "no number": ({"cosine": math.nan}, "output `y` is off: cosine nan (≥ 0.99)"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_output_is_held_to_both_gates(case: str) -> None:
    changed, why = CASES[case]
    found = Evaluation(GATES, 4, distances({"y": {**GOOD, **changed}}, GATES))
    assert (found.ok, found.why) == (not why, why)


def test_no_output_holds_nothing() -> None:
    assert not Evaluation(GATES, 4, ()).ok


@pytest.mark.parametrize(("converted", "ok"), [(0.90, True), (0.89, True), (0.88, False), (0.95, True)])
def test_the_task_may_fall_by_what_is_allowed(converted: float, ok: bool) -> None:
    found = Evaluation(GATES, 4, distances({"y": GOOD}, GATES), Score("top1", 0.9, converted, 0.01, 100))
    assert found.ok is ok
    assert ok or "top1 falls from 0.9000 to 0.8800 on 100 inputs" in found.why
