"""Mean average precision on cases that can be reckoned by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.model.mean_precision import Box, load, map50, predicted

A, B, FAR = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 30.0, 30.0), (50.0, 50.0, 60.0, 60.0)
HALF = (0.0, 0.0, 10.0, 4.9)  # overlaps A by 0.49


def box(place: tuple[float, float, float, float], score: float = 1.0, kind: str = "1") -> Box:
    return Box(kind, *place, score)


CASES: dict[str, tuple[list[list[Box]], list[list[Box]], float]] = {
    "all found": ([[box(A, 0.9), box(B, 0.8)]], [[box(A), box(B)]], 1.0),
    "half found": ([[box(A, 0.9)]], [[box(A), box(B)]], 0.5),
    "nothing found": ([[]], [[box(A)]], 0.0),
    "not enough overlap": ([[box(HALF, 0.9)]], [[box(A)]], 0.0),
    "a false one, less sure": ([[box(A, 0.9), box(FAR, 0.1)]], [[box(A)]], 1.0),
    "a false one, surer": ([[box(A, 0.5), box(FAR, 0.9)]], [[box(A)]], 0.5),
    "found twice counts once": (
        [[box(A, 0.9), box(A, 0.8), box(B, 0.7)]],
        [[box(A), box(B)]],
        0.5 + 0.5 * 2 / 3,
    ),
    "in another picture": ([[], [box(A, 0.9)]], [[box(A)], []], 0.0),
    "of another class": ([[box(A, 0.9, "2")]], [[box(A)]], 0.0),
    "mean over classes": ([[box(A, 0.9), box(B, 0.9, "2")]], [[box(A), box(FAR, kind="2")]], 0.5),
}


@pytest.mark.parametrize("case", CASES)
def test_reckoned_by_hand(case: str) -> None:
    said, true, expected = CASES[case]
    assert map50(said, true) == pytest.approx(expected)


def test_boxes_come_in_sixes() -> None:
    assert predicted({"boxes": [1.0, 0.5, 0, 0, 10, 10]}) == [box(A, 0.5)]
    for wrong in ({"boxes": [1, 2]}, {}):
        with pytest.raises(InputError, match="sixes"):
            predicted(wrong)


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    head = "file,class,x0,y0,x1,y1\n"
    (tmp_path / "boxes.csv").write_text(head + "a.ppm,1,0,0,10,10\n")
    assert load(tmp_path, ["b.ppm", "a.ppm"]) == [[], [box(A)]]
    for line in ("other.ppm,1,0,0,10,10", "a.ppm,1,0,0,10", "a.ppm,1,0,0,10,wide"):
        (tmp_path / "boxes.csv").write_text(head + line + "\n")
        with pytest.raises(InputError) as caught:
            load(tmp_path, ["a.ppm"])
        assert caught.value.where.endswith("boxes.csv:2")
