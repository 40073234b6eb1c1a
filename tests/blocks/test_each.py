"""The part of a picture that a second model sees, and what is merged of its answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from edgepack_blocks.boxes import Detection, part
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.blocks.words import array, detections, many, refused, result, text
from tests.compile.program_driver import Driver

pytestmark = pytest.mark.slow
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PLACE = st.sampled_from([-3.0, 0.0, 0.5, 2.0, 5.0, 9.0]) | st.floats(-5, 15, width=32)
SIZE = st.sampled_from([0.0, 1.0, 4.0]) | st.floats(0, 12, width=32)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
PICTURES = SHAPES.flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=st.floats(0, 255, width=32))
)


@st.composite
def boxes(draw: st.DrawFn) -> Detection:
    x, y = draw(PLACE), draw(PLACE)
    kind = draw(st.integers(0, 1))
    sides = (x, y, np.float32(x + draw(SIZE)), np.float32(y + draw(SIZE)))
    return Detection(kind, 0.5, *map(float, sides), name=("cat", "dog")[kind])


def box(one: Detection) -> str:
    return detections([one]).partition(" ")[2]


@quick
@given(PICTURES, boxes(), st.sampled_from([0.0, 0.1, 1.0]))
def test_part(harness: Driver, picture: Any, one: Detection, grow: float) -> None:
    said = result(harness.ask("part", repr(grow), box(one), array(picture)))
    wanted = part(picture, one, grow)
    assert said.shape == wanted.shape
    np.testing.assert_array_equal(np.float32(said), wanted)


def test_a_part_by_hand(harness: Driver) -> None:
    """All pixels that the box touches, and no more."""
    picture = np.arange(20, dtype=np.float32).reshape(1, 4, 5)
    said = result(harness.ask("part", "0.0", box(Detection(0, 1, 1.5, 1.0, 3.0, 2.5)), array(picture)))
    np.testing.assert_array_equal(said, [[[6, 7], [11, 12]]])
    for sides in ((-9, 0, -5, 4), (9, 0, 12, 4), (math.nan, 0, math.nan, 4)):
        gone = result(harness.ask("part", "0.0", box(Detection(0, 1, *sides)), array(picture)))
        assert gone.size == 0


def words(
    most: int, classes: list[str], there: list[Detection], picture: Any, broken: int = 0
) -> list[object]:
    return [most, many(map(text, classes)), "0.0", detections(there), broken, array(picture)]


@quick
@given(PICTURES, st.lists(boxes(), max_size=5), st.integers(1, 3), st.sampled_from([[], ["cat"]]))
def test_each(harness: Driver, picture: Any, there: list[Detection], most: int, classes: list[str]) -> None:
    said = harness.ask("each", *words(most, classes, there, picture))
    seen: list[int] = []
    for index, one in enumerate(there):
        meant = not classes or one.name in classes
        if meant and part(picture, one).size and len(seen) < most:
            seen.append(index)
    parts = {index: part(picture, there[index]) for index in seen}
    assert said["second_count"] == len(seen)
    rows = [parts[i].shape[1] if i in parts else -1 for i in range(len(there))]
    assert said.get("second_rows", []) == (rows if seen else [])
    for index, mean in enumerate(said.get("second_mean", [])):
        assert mean is None if index not in parts else mean == pytest.approx(parts[index].mean(dtype=float))
    wide = ["yes" if i in parts and parts[i].shape[2] > 4 else "" for i in range(len(there))]
    assert said.get("second_wide", wide) == wide


def test_a_field_that_is_now_a_text_and_now_a_number_is_refused(harness: Driver) -> None:
    there = [Detection(0, 1, 0, 0, 2, 2), Detection(0, 1, 1, 1, 3, 3)]
    picture = np.zeros((1, 4, 4), np.float32)
    assert "`rows` is of another kind" in refused(harness, "each", *words(9, [], there, picture, broken=1))
