"""The table of seeded faults says what was seen, and a slice fails where something went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.faults import __main__ as faults
from bench.faults import scenes
from bench.faults.project import Case, Told

HEALTHY = Case("digits", "mnn", "", "int8", 0.1)
ORDER = Case("shapes", "openvino", "outputs", "fp32", 0.2)
ONE_CLASS = Case("shapes", "mnn", "calibration", "int8", 0.3)
WARNED = "the calibration data looks one-sided: channel 5"


@pytest.mark.parametrize(
    ("case", "said", "verdict"),
    [
        (HEALTHY, Told(False, "", "", "", ""), "passed"),
        (HEALTHY, Told(True, "model", "", "", ""), "false alarm"),
        (HEALTHY, Told(False, "", "", WARNED, ""), "false alarm"),
        (ORDER, Told(True, "model", "output order", "", "in another order"), "caught"),
        (ORDER, Told(True, "pre", "channels", "", "red and blue"), "wrongly named"),
        (ORDER, Told(True, "", "", "", "an error before anything was compared"), "wrongly named"),
        (ORDER, Told(False, "", "", WARNED, ""), "missed"),
        (ONE_CLASS, Told(False, "", "", WARNED, ""), "caught"),
        (ONE_CLASS, Told(True, "model", "calibration", WARNED, "one-sided"), "caught"),
        (ONE_CLASS, Told(True, "model", "dead layer", WARNED, "layer `conv`"), "wrongly named"),
        (ONE_CLASS, Told(False, "", "", "1 calibration samples: too few", ""), "missed"),
    ],
)
def test_what_was_said_is_judged(case: Case, said: Told, verdict: str) -> None:
    assert faults.verdict(case, said) == verdict


def test_every_fault_is_tried_in_every_toolkit_beside_as_many_healthy_builds() -> None:
    every = faults.cases(1)
    assert len({(c.network, c.toolkit, c.fault) for c in every if c.fault}) == 27
    assert sum(not c.fault for c in every) == 27
    assert every == faults.cases(1)
    assert {c.at for c in every}.isdisjoint(c.at for c in faults.cases(2))


@pytest.mark.parametrize("answer", [Told(False, "", "", "", ""), Told(True, "", "", "", "")])
def test_a_slice_says_what_it_was_and_fails(
    answer: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "told", lambda _case, _folder: answer)
    assert faults.main(["--slice", "4", "--seed", "7"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("a slice of 4 of 54 cases, seed 7: ")
    assert shown.count("healthy at ") == 2 * 2, "two of the four, in the head and in their lines"
    assert "python -m bench.faults --slice 4 --seed 7" in shown


def test_the_page_tells_of_every_seed() -> None:
    wrong = faults.Seen(ORDER, Told(True, "pre", "channels", "", "red | blue"), "wrongly named")
    rounds = {1: [faults.Seen(HEALTHY, Told(False, "", "", "", ""), "passed")], 2: [wrong]}
    text = faults.page(rounds, ["--seed", "1", "--also", "2"])
    assert "Seed 1: 0 faults (0 caught, 0 wrongly named, 0 missed) beside 1 healthy builds" in text
    assert "Seed 2: 1 faults (0 caught, 1 wrongly named, 0 missed)" in text
    assert "## What went wrong with seed 2" in text
    assert "red / blue" in text


def test_scenes_of_one_class_are_the_same_each_time(tmp_path: Path) -> None:
    for name, only in (("a", 1), ("b", 1), ("c", None)):
        (tmp_path / name).mkdir()
        scenes.draw(tmp_path / name, 2, 5, only)
    a, b, c = ((tmp_path / name / "001.ppm").read_bytes() for name in "abc")
    assert a == b != c
    assert a.startswith(b"P6\n128 96\n255\n")
