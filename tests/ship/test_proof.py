from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.errors import BoxError
from edgepack.model.golden import Names
from edgepack.ship.errors import NotProvenError
from edgepack.ship.proof import Vectors, held_to, vectors
from tests.releases import GATES, PASS, SAMPLES, bundle

DEMANDS = Vectors(Names(SAMPLES, ("logits",), ("class",)), {"logits": 11.0})


def test_what_a_bundles_vectors_demand(tmp_path: Path) -> None:
    assert vectors(bundle(tmp_path / "b")) == DEMANDS


def wrong(**changes: Any) -> dict[str, Any]:
    """A report that says ok everywhere, but for these numbers."""
    report = json.loads(json.dumps(PASS))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = report
        for name in parents:
            place = place[name]
        place[last] = value
    return report


def said(report: object, status: int | str = 0) -> list[str]:
    text = report if isinstance(report, str) else json.dumps(report)
    if text.startswith("! "):
        return [f"exit {status}", text]
    return [f"exit {status}", *(f"={line}" for line in text.splitlines()), "! its last words"]


def test_a_report_that_holds() -> None:
    proof = held_to(said(PASS), DEMANDS, GATES, "box-07")
    assert proof.summary.startswith("4 golden vectors")
    at_the_gate = wrong(outputs__logits__max_abs=0.001 * 11)
    assert held_to(said(at_the_gate), DEMANDS, GATES, "box-07").report["samples"] == SAMPLES


@pytest.mark.parametrize(
    ("report", "status", "words"),
    [
        (wrong(outputs__logits__cosine_min=0.9), 0, "output `logits` is off"),
        (wrong(outputs__logits__max_abs=0.02), 0, "output `logits` is off"),
        (wrong(outputs__logits__max_abs=0.2, gates={"max_abs": 9, "cosine": 0}), 0, "output `logits` is off"),
        (
            wrong(outputs__logits={"max_reference": 1e9, "max_abs": 1, "cosine_min": 1, "ok": True}),
            0,
            "is off",
        ),
        (wrong(outputs__logits__cosine_min=None), 0, "output `logits` is off"),
        (wrong(outputs__logits__cosine_min=float("nan")), 0, "output `logits` is off"),
        (wrong(outputs__logits__max_abs=float("nan")), 0, "output `logits` is off"),
        (wrong(outputs={}), 0, "output `logits` is off"),
        (wrong(outputs=[]), 0, "output `logits` is off"),
        (wrong(records__class__agree=3), 0, "`class` differs in 1 samples"),
        (wrong(records={}), 0, "`class` differs"),
        (wrong(samples=1), 0, "it ran 1 of 4 samples"),
        (wrong(ok=False), 0, "the program itself says"),
        (PASS, 8, "the program itself says"),
        (PASS, 139, "the program itself says"),
        (wrong(error="model.bin: too short"), 4, "model.bin: too short"),
        ("all fine", 0, "what it printed is not its report"),
        ("[" * 100_000, 0, "what it printed is not its report"),
        ("", 0, "what it printed is not its report"),
        ("null", 0, "what it printed is not its report"),
        ("", 124, "it was not done after"),
        ("", 126, "the box cannot start it"),
        ("", 132, "processor does not have"),
        ("", 137, "ran out of memory"),
        ("", 139, "it crashed (SIGSEGV)"),
        ("", 3, "it ended with 3"),
        (
            "! qemu-aarch64: bin/digits: Invalid ELF image for this architecture",
            255,
            "built for another machine",
        ),
    ],
)
def test_a_report_that_does_not(report: object, status: int, words: str) -> None:
    with pytest.raises(NotProvenError) as caught:
        held_to(said(report, status), DEMANDS, GATES, "box-07")
    assert words in caught.value.why
    assert caught.value.where == "box-07"
    assert caught.value.fix


def test_a_program_for_another_architecture_is_called_by_its_name() -> None:
    words = "its program is built for x86_64"
    with pytest.raises(NotProvenError) as caught:
        held_to(said("", 255), dataclasses.replace(DEMANDS, foreign=words), GATES, "box-07")
    assert (caught.value.why, caught.value.detail) == (words, "its last words")
    assert "edgepack build --for NODE" in caught.value.fix


@pytest.mark.parametrize("lines", [[], ["exit"], ["exit x"], ["=" + json.dumps(PASS)]])
def test_no_word_on_how_it_ended_is_no_proof(lines: list[str]) -> None:
    with pytest.raises(BoxError, match="did not say how the program ended"):
        held_to(lines, DEMANDS, GATES, "box-07")
