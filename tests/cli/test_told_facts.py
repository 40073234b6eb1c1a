"""What ``targets`` says of facts without a source, and ``check`` of a model's size."""

from __future__ import annotations

import json

import pytest

from edgepack.cli import check, main


def test_a_fact_without_a_source_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["targets", "rk3588"]) == 0
    shown = capsys.readouterr().out
    assert "  memory_mb: unknown (its memory; no source was found)" in shown
    assert "tops: unknown" not in shown
    assert main.main(["targets", "rk3588", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert facts["memory_mb"] is None
    assert facts["tops"]["value"] == {"int8": 6.0}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (2_494, "2.5 k"),
        (61_706, "61.7 k"),
        (999_960, "1.00 M"),
        (3_200_000, "3.20 M"),
    ],
)
def test_a_small_model_has_a_size_too(number: int, shown: str) -> None:
    assert check.count(number) == shown
