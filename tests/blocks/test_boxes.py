"""What `yolo` finds and what is made of it, against their twins; and what they refuse."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from edgepack_blocks import boxes
from edgepack_blocks.boxes import Detection, Tracker
from edgepack_blocks.geometry import Geometry
from edgepack_blocks.yolo import yolo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.blocks.words import array, detections, many, near, numbers, place, refused, tensor, text
from tests.compile.program_driver import Driver, listed

pytestmark = pytest.mark.slow
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FAMILIES = ("v5", "v8")
# Few values, so that many overlap by the same and have the same score.
ALIKE = st.sampled_from([-4.0, -1.0, 0.0, 1.0, 4.0])
LOGIT = st.floats(-8, 8, width=32)
ODD = ALIKE | st.sampled_from([math.nan, math.inf, -math.inf, 1e38])
SHARE = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
GEOMETRY = st.builds(
    Geometry,
    *(st.integers(1, 300),) * 2,
    *(st.just(0),) * 2,
    *(st.floats(0.1, 10),) * 2,
    *(st.floats(-50, 50),) * 2,
)


@dataclasses.dataclass(frozen=True)
class Asked:
    """A `yolo` block and outputs that it can read."""

    outputs: list[Any]
    family: str
    strides: list[int]
    anchors: list[list[float]]
    labels: list[str]
    score: float
    overlap: float
    per_class: bool
    most: int

    def words(self, where: Geometry) -> str:
        return " ".join(
            [
                *(str(FAMILIES.index(self.family)), listed(range(len(self.outputs))), listed(self.strides)),
                *(many(map(listed, self.anchors)), many(map(text, self.labels))),
                *(
                    repr(float(self.score)),
                    repr(float(self.overlap)),
                    str(int(self.per_class)),
                    str(self.most),
                ),
                *(place(where), many(map(array, self.outputs))),
            ]
        )


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    family, raw, classes = draw(st.sampled_from(FAMILIES)), draw(st.booleans()), draw(st.integers(1, 3))
    elements = draw(st.sampled_from([ALIKE, LOGIT, ODD]))
    strides = draw(st.lists(st.sampled_from([1, 4, 8]), min_size=1, max_size=2)) if raw else []
    side = st.sampled_from([2.0, 3.5, 8.0])
    pairs = st.integers(1, 2).flatmap(lambda n: st.lists(side, min_size=2 * n, max_size=2 * n))
    anchors = [draw(pairs) for _ in strides] if family == "v5" else []
    shapes: list[tuple[int, ...]] = []
    for number in range(len(strides)):
        cells = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
        count = len(anchors[number]) // 2 if anchors else 0
        flat = (count * (5 + classes) if anchors else 64 + classes, *cells)
        shapes.append((count, *cells, 5 + classes) if anchors and draw(st.booleans()) else flat)
    if not raw:
        many_boxes = draw(st.integers(0, 8))
        shapes = [(many_boxes, 5 + classes) if family == "v5" else (4 + classes, many_boxes)]
    labels = (
        [f"\N{LATIN SMALL LETTER E WITH ACUTE}{i}" for i in range(classes)] if draw(st.booleans()) else []
    )
    outputs = [draw(arrays.arrays(np.float32, shape, elements=elements)) for shape in shapes]
    limits = (draw(SHARE), draw(SHARE), draw(st.booleans()), draw(st.integers(1, 9)))
    return Asked(outputs, family, strides, anchors, labels, *limits)


def same(said: dict[str, Any], found: Sequence[Detection], *, named: bool, tracked: bool = False) -> None:
    wanted = boxes.told(found, named, tracked)
    assert set(said) == set(wanted)
    near(numbers(said["boxes"]), np.array(wanted["boxes"], np.float64), 1e-2)
    assert {n: v for n, v in said.items() if n != "boxes"} == {
        n: v for n, v in wanted.items() if n != "boxes"
    }


@quick
@given(asked(), GEOMETRY)
def test_yolo(harness: Driver, it: Asked, where: Geometry) -> None:
    found = yolo(**dataclasses.asdict(it) | {"geometry": where})
    same(harness.ask("yolo", it.words(where)), found, named=bool(it.labels))


def test_a_head_by_hand(harness: Driver) -> None:
    """One cell of two, in a picture of half the size that was put 10 pixels to the right."""
    head = np.full((7, 1, 2), -20, np.float32)
    head[:, 0, 1] = (0, 0, 0, 0, 20, -20, 0)
    it = Asked([head], "v5", [8], [[12, 6]], ["cat", "dog"], 0.25, 0.5, True, 9)
    said = harness.ask("yolo", it.words(Geometry(8, 4, 8, 16, 1, 2, 0, 10)))
    # Centre (0.5 + 1) * 8 = 12, 4; sides 12, 6: from 6 to 18; in the picture (6 - 10) / 2 and 4.
    assert said["names"] == ["dog"]
    np.testing.assert_allclose(said["boxes"], [1, 0.5, 0, 1, 4, 7], atol=1e-6)


def test_a_side_by_hand(harness: Driver) -> None:
    """YOLOv8's distances: all in one bin of each side, 1, 2, 3 and 4 strides from the cell's middle."""
    head = np.full((65, 6, 6), -40, np.float32)
    for side, far in enumerate((1, 2, 3, 4)):
        head[side * 16 + far, 2, 3] = 40
    head[64, 2, 3] = 40
    it = Asked([head], "v8", [4], [], [], 0.9, 0.5, True, 9)
    said = harness.ask("yolo", it.words(Geometry(100, 100, 100, 100)))
    assert said["count"] == 1
    np.testing.assert_allclose(said["boxes"], [0, 1, 10, 2, 26, 26], atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "per_class", "kept"),
    [
        ([(0.9, 0, 0), (0.9, 0, 0)], True, [0]),  # alike: the first
        ([(0.9, 0, 0), (0.9, 1, 0)], True, [0, 1]),  # another class
        ([(0.9, 0, 0), (0.9, 1, 0)], False, [0]),
        ([(0.5, 0, 0), (0.9, 0, 0)], True, [1]),  # the better one
        ([(0.9, 0, 0), (0.8, 0, 5)], True, [0, 1]),  # overlap 1/3, not more than that
        ([(0.9, 0, 0), (0.8, 0, 4)], True, [0]),
        ([(0.9, 0, 0), (0.8, 0, 4), (0.7, 0, 8)], True, [0, 2]),  # what is left out suppresses nothing
    ],
)
def test_suppression_by_hand(harness: Driver, rows: Any, per_class: bool, kept: list[int]) -> None:
    output = np.zeros((len(rows), 7), np.float32)
    for row, (score, kind, left) in zip(output, rows, strict=True):
        row[:5] = (left + 5, 5, 10, 10, score)
        row[5 + kind] = 1
    it = Asked([output], "v5", [], [], [], 0.25, 1 / 3, per_class, 9)
    said = np.reshape(harness.ask("yolo", it.words(Geometry(50, 50, 50, 50)))["boxes"], (-1, 6))
    assert [(float(np.float32(s)), k, x) for k, s, x in said[:, :3]] == [
        (float(np.float32(rows[i][0])), rows[i][1], rows[i][2]) for i in kept
    ]


PLACE = st.sampled_from([0.0, 1.0, 2.0, 5.0, 10.0])
SCORE = st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0]).map(np.float32)


@st.composite
def found(draw: st.DrawFn) -> Detection:
    x, y = draw(PLACE), draw(PLACE)
    kind = draw(st.integers(0, 1))
    return Detection(kind, draw(SCORE), x, y, x + draw(PLACE), y + draw(PLACE), name=f"n{kind}")


FOUND = st.lists(found(), max_size=5)


@quick
@given(FOUND, SHARE | SCORE.map(float))
def test_threshold(harness: Driver, there: list[Detection], score: float) -> None:
    said = harness.ask("threshold", repr(score), detections(there))
    # The field stays once it is there, also where nothing is left of it.
    same(said, boxes.threshold(there, score), named=bool(there))


@quick
@given(FOUND, st.sampled_from(["score", "area"]))
def test_pick(harness: Driver, there: list[Detection], by: str) -> None:
    said = harness.ask("pick", ["score", "area"].index(by), detections(there))
    wanted = boxes.pick(there, by)
    assert {name: said[name] for name in wanted} == pytest.approx(wanted)


@quick
@given(st.lists(FOUND, max_size=6), st.sampled_from([0.1, 0.3, 0.5, 1.0]), st.integers(0, 2))
def test_track(harness: Driver, frames: list[list[Detection]], least: float, patience: int) -> None:
    said = harness.ask("track", repr(least), patience, many(map(detections, frames)))
    twin = Tracker(least, patience)
    for record, there in zip(said, frames, strict=True):
        same(record, twin.follow(there), named=bool(there), tracked=True)


def test_a_thing_keeps_its_number_while_it_is_seen(harness: Driver) -> None:
    def at(x: float, kind: int = 0) -> Detection:
        return Detection(kind, 0.5, x, 0, x + 10, 10, name="n")

    frames = [[at(0)], [at(3), at(50)], [], [at(52), at(6)], [], [], [at(6)], [at(6, 1)]]
    said = harness.ask("track", 0.3, 1, many(map(detections, frames)))
    # After two pictures without it, it is another thing; so it is of another class.
    assert [record["tracks"] for record in said] == [[1], [1, 2], [], [2, 1], [], [], [3], [4]]


HUGE = 2**31 - 1
HERE = place(Geometry(9, 9, 9, 9))


def block(
    family: int, strides: list[int], anchors: list[list[float]], labels: str = "", most: int = 9
) -> str:
    heads = max(len(strides), 1)
    words = (listed(range(heads)), listed(strides), many(map(listed, anchors)), many(map(text, labels)))
    return f"{family} {' '.join(words)} 0.25 0.45 1 {most}"


RAW5, MAP5, RAW8, MAP8 = block(0, [8], [[2, 3]]), block(0, [], []), block(1, [8], []), block(1, [], [])
LABELLED = block(0, [], [], "abc")
HOSTILE: list[tuple[Any, ...]] = [
    (RAW5, tensor((5, 1, 1), [1] * 5), "takes heads {1 anchors"),
    (RAW5, tensor((6, 1), [1] * 6), "takes heads"),
    (RAW5, tensor((6, 1, 1), [1] * 5), "with 5 numbers"),
    (RAW5, tensor((2, 1, 1, 6), [1] * 12), "takes heads"),
    (RAW5, tensor((6, HUGE, HUGE), []), "no shape"),
    (RAW5, tensor((6, -1, -1), [1] * 6), "no shape"),
    (RAW5, tensor((), []), "with 0 numbers"),
    (block(0, [8], [[2, 3, 4, 5]]), tensor((7, 1, 1), [1] * 7), "takes heads {2 anchors"),
    (block(0, [8], [[]]), tensor((6, 1, 1), [1] * 6), "takes heads {0 anchors"),
    (MAP5, tensor((1, 5), [1] * 5), "takes boxes {boxes, 5 + classes}"),
    (MAP5, tensor((1, 1, 6), [1] * 6), "takes boxes"),
    (MAP5, tensor((6,), [1] * 6), "takes boxes"),
    (RAW8, tensor((64, 1, 1), [1] * 64), "takes heads {64 + classes"),
    (RAW8, tensor((65, 1), [1] * 65), "takes heads"),
    (MAP8, tensor((4, 2), [1] * 8), "takes boxes {4 + classes, boxes}"),
    (MAP8, tensor((5,), [1] * 5), "takes boxes"),
    (MAP8, tensor((HUGE, HUGE), [1]), "no shape"),
    (LABELLED, tensor((1, 7), [1] * 7), "2 classes and 3 labels"),
]


@pytest.mark.parametrize(("by", "output", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_is_refused_in_words(harness: Driver, by: str, output: str, words: str) -> None:
    assert words in refused(harness, "yolo", by, HERE, many([output]))


def test_a_model_with_fewer_outputs_and_an_unknown_place_are_refused(harness: Driver) -> None:
    head = tensor((6, 1, 1), [1] * 6)
    two = block(0, [8, 16], [[2, 3], [4, 5]])
    assert "fewer outputs" in refused(harness, "yolo", two, HERE, many([head]))
    lost = place(Geometry(0, 0, 0, 0))
    assert "code of the project makes another size" in refused(harness, "yolo", RAW5, lost, many([head]))


def test_no_boxes_are_no_detections(harness: Driver) -> None:
    for by, shape in ((RAW5, (6, 0, 3)), (MAP5, (0, 6)), (RAW8, (65, 2, 0)), (MAP8, (5, 0))):
        said = harness.ask("yolo", by, HERE, many([tensor(shape, [])]))
        assert said == {"count": 0, "boxes": []}
