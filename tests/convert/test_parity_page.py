"""The page: whole by itself, a model's names are text in it, and what was not computed is said so."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from edgepack.convert.parity_page import page

ROW = {"cosine": 0.999, "max_abs": 0.1, "mean_abs": 0.01, "limit": 1.0, "least": 0.99, "ok": True}
LAYER = {"tensor": "t", "node": "conv", "op": "Conv", "cosine": 0.9999}


def body(**changed: Any) -> dict[str, Any]:
    """A report that holds."""
    return {
        "project": "digits",
        "version": "1",
        "target": "board",
        "target_name": "A board",
        "chip": "rk3588",
        "model": "m.onnx",
        "runtime": "rknn",
        "precision": "int8",
        "recipe": "onnx-rknn",
        "seconds": 2.0,
        "simulator": {"name": "a simulator", "is": "simulator", "taps": True, "samples": 8},
        "conversion": {"bytes": 1000, "files": ["model.rknn"], "seconds": 3.0, "kept": [], "warnings": []},
        "trained_bytes": 4000,
        "quantisation": {},
        "fed": {"calibration": 64},
        "warnings": [],
        "ok": True,
        "state": "verified on emulator or simulator (a simulator)",
        "fault": None,
        "samples": 8,
        "gates": {"cosine": 0.99, "max_abs": 1.0},
        "outputs": {"y": ROW},
        "score": None,
        "stages": {"model": {"ok": True, "compared": "both", "why": "", "rows": {"y": ROW}}},
        "cause": None,
        "first": None,
        "layers": [LAYER, {**LAYER, "cosine": None}],
        **changed,
    }


class Balanced(HTMLParser):
    """Every element is closed by its own end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed by itself."""


SCORE = {
    "metric": "top1",
    "trained": 0.9,
    "converted": 0.8,
    "drop": 0.1,
    "max_drop": 0.01,
    "of": 60,
    "ok": False,
}
FAILED = {"ok": False, "compared": "both", "why": "output `y` is off", "rows": {}}
CUT = {"how": "cutting", "note": "by cutting: 3 beginnings"}
ALONE = {**LAYER, "cosine": 0.2, "alone": 0.3}
CAUSE = {"key": "x", "words": "red and blue are swapped", "fix": "turn them", "mended": "cosine 1"}
SEARCH = {"kept": ["n1"], "bought": {"cosine": [0.9, 0.99], "metric": [None, None]}, "cost_bytes": 100}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "holds": ({}, "It computes what was trained."),
    "fails": (
        {"ok": False, "fault": "model", "stages": {"model": FAILED}, "cause": CAUSE},
        "Red and blue are swapped.",
    ),
    "no cause": ({"ok": False, "fault": "model", "stages": {"model": FAILED}}, "none mends it"),
    "nothing computes it": (
        {
            "ok": None,
            "state": "by contract only",
            "outputs": {},
            "simulator": None,
            "layers": [],
            "stages": {},
        },
        "Nothing is claimed",
    ),
    "no taps": ({"layers": []}, "gives no intermediate tensors"),
    "cut": ({"looked": CUT}, "found by cutting"),
    "cut at fault": (
        {"ok": False, "fault": "model", "stages": {"model": FAILED}, "first": ALONE, "looked": CUT},
        "By cutting: 3 beginnings",
    ),
    "no number": ({"outputs": {"y": {**ROW, "cosine": None, "max_abs": None, "ok": False}}}, "not a number"),
    "task": ({"score": SCORE}, "It loses 10.00 points on 60 held-out inputs and may lose 1 points."),
    "a task in decibels": (
        {"score": {**SCORE, "trained": 30.25, "converted": 30.0, "drop": 0.25, "max_drop": 0.5}},
        "It loses 0.25 on 60 held-out inputs and may lose 0.5.",
    ),
    "kept": ({"conversion": {**body()["conversion"], "search": SEARCH}}, "0.90000 → 0.99000"),
    "pruned": (
        {
            "pruned": {
                "share": 0.3,
                "gzip": [230e3, 176e3],
                "cosine": 0.98,
                "converted": 1.0,
                "metric": [0.9, 0.8],
            }
        },
        "30.0 %; compressed 230 kB → 176 kB",
    ),
    "pruned, no data": (
        {"pruned": {"share": 0.3, "gzip": [9, 8], "cosine": 0.98, "converted": 1.0, "metric": None}},
        "Pruning and quantisation",
    ),
    "warned": ({"warnings": ["the data looks one-sided"]}, "The data looks one-sided."),
    "hostile": ({"layers": [{**LAYER, "node": "<script>alert(1)</script>"}] * 2}, "&lt;script&gt;"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_says_so(case: str) -> None:
    changed, words = CASES[case]
    made = page(body(**changed))
    assert words in made
    assert not re.search(r"https?://|<script|src=|@import|url\(", made)
    parser = Balanced()
    parser.feed(made)
    assert parser.open == []


def test_the_names_below_the_plot_tell_deep_modules_apart() -> None:
    nodes = ["/up3/join/join.0/Conv", "/down4/join/join.0/Conv", "conv1"]
    rows = [{**LAYER, "op": "Conv", "node": node, "tensor": node} for node in nodes]
    made = page(body(layers=rows))
    assert [name in made for name in (">up3…oin.0<", ">down4…oin.0<", ">conv1<")] == [True] * 3
