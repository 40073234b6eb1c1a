"""A report is judged by its numbers: nothing that it leaves out or claims lets it through."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from edgepack.model.golden import Names
from edgepack.model.parity import judge

NAMES = Names(samples=4, outputs=("logits",), records=("class",))
GATES = {"cosine": 0.9999, "max_abs": 1e-3}
GOOD: dict[str, Any] = {
    "samples": 4,
    "ok": True,
    "outputs": {
        "logits": {"cosine_min": 1.0, "max_abs": 1e-6, "max_reference": 20.0, "mean_abs": 1e-7, "ok": True}
    },
    "records": {"class": {"agree": 4, "of": 4, "ok": True}},
    "gates": GATES,
}


def test_a_good_report_passes() -> None:
    verdict = judge(GOOD, NAMES, GATES)
    assert verdict.ok
    assert "4 golden vectors" in verdict.summary


def set_to(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        for key in path[:-1]:
            report = report[key]
        report[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_to("outputs", "logits", "cosine_min", value=0.99), "output `logits` is off"),
        (set_to("outputs", "logits", "cosine_min", value=None), "output `logits` is off"),
        (set_to("outputs", "logits", "cosine_min", value="1.0"), "output `logits` is off"),
        (set_to("outputs", "logits", "max_abs", value=0.03), "output `logits` is off"),
        (set_to("outputs", "logits", "max_abs", value=float("nan")), "output `logits` is off"),
        (set_to("outputs", "logits", "ok", value=False), "output `logits` is off"),
        (set_to("outputs", value={}), "output `logits` is off"),
        (set_to("outputs", value=None), "output `logits` is off"),
        (set_to("records", "class", "agree", value=3), "`class` differs in 1 samples"),
        (set_to("records", "class", value={"agree": 2, "of": 2, "ok": True}), "`class` differs"),
        (set_to("records", value={}), "`class` differs in 4 samples"),
        (set_to("samples", value=2), "ran 2 of 4"),
        (set_to("ok", value=False), "the program itself"),
    ],
)
def test_whatever_is_off_or_missing_fails(change: Callable[[dict[str, Any]], None], why: str) -> None:
    report = copy.deepcopy(GOOD)
    change(report)
    verdict = judge(report, NAMES, GATES)
    assert not verdict.ok
    assert why in verdict.why


def test_a_program_cannot_bring_its_own_gates() -> None:
    report = copy.deepcopy(GOOD)
    report["outputs"]["logits"]["max_abs"] = 5.0
    report["gates"] = {"cosine": 0.0, "max_abs": 1e9}
    assert not judge(report, NAMES, GATES).ok


def test_the_gate_grows_with_the_references_largest_value() -> None:
    report = copy.deepcopy(GOOD)
    report["outputs"]["logits"]["max_abs"] = 0.015
    assert judge(report, NAMES, GATES).ok  # 0.001 × 20
    report["outputs"]["logits"]["max_reference"] = 0.5
    assert not judge(report, NAMES, GATES).ok  # 0.001 × 1


def test_it_says_when_only_what_post_makes_of_the_outputs_is_off() -> None:
    report = copy.deepcopy(GOOD)
    report["records"]["class"]["agree"] = 3
    assert judge(report, NAMES, GATES).only_records
    report["outputs"]["logits"]["cosine_min"] = 0.9
    assert not judge(report, NAMES, GATES).only_records
    report = copy.deepcopy(GOOD)
    report["samples"] = 3
    assert not judge(report, NAMES, GATES).only_records
    assert not judge(GOOD, NAMES, GATES).only_records


@pytest.mark.parametrize(
    ("share", "agree", "of", "ok"),
    [
        (0.5, 2, 4, True),
        (0.5, 1, 4, False),
        (0.75, 3, 4, True),
        (0.0, 0, 4, True),
        (0.5, 5, 4, False),
        (0.5, 2, 2, False),
        (0.5, None, 4, False),
        (0.5, float("nan"), 4, False),
        (1.5, 4, 4, True),
        (-1.0, 3, 4, False),
        ("much", 3, 4, False),
    ],
)
def test_of_8_bits_a_part_of_the_records_must_agree(share: object, agree: object, of: int, ok: bool) -> None:
    report = copy.deepcopy(GOOD)
    report["records"]["class"] = {"agree": agree, "of": of, "ok": True}
    verdict = judge(report, NAMES, {**GATES, "records": share})
    assert verdict.ok == ok
    assert verdict.only_records == (not ok)
