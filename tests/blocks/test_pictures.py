"""Each block of `pre` against its twin, on drawn pictures; and what it refuses."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from edgepack_blocks import pictures
from edgepack_blocks.geometry import Geometry
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.blocks.words import MODES, array, near, place, refused, result, tensor
from tests.compile.program_driver import Driver, listed

pytestmark = pytest.mark.slow
quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SIDE = st.integers(1, 13)
SIZE = st.tuples(SIDE, SIDE)
MODE = st.sampled_from(MODES)
GEOMETRY = st.builds(
    Geometry,
    *(st.integers(1, 4000),) * 2,
    *(st.just(0),) * 2,
    *(st.floats(0.01, 100),) * 2,
    *(st.floats(-500, 500),) * 2,
)


def images(*channels: int) -> st.SearchStrategy[Any]:
    shapes = st.tuples(st.sampled_from(channels or (1, 2, 3, 4)), SIDE, SIDE)
    return shapes.flatmap(lambda s: arrays.arrays(np.float32, s, elements=st.floats(0, 255, width=32)))


def at(image: Any, where: Geometry) -> Geometry:
    """That geometry, of this image."""
    return dataclasses.replace(where, rows=image.shape[1], columns=image.shape[2])


def agree(said: dict[str, Any], wanted: tuple[Any, Geometry], size: float = 0) -> None:
    picture, where = wanted
    near(result(said), picture, size)
    told = [float(number) for number in said["geometry"]]
    np.testing.assert_allclose(told, dataclasses.astuple(where), rtol=1e-9, atol=1e-9)


@quick
@given(images(), GEOMETRY, SIZE, MODE)
def test_resize(harness: Driver, image: Any, where: Geometry, size: Any, mode: str) -> None:
    where = at(image, where)
    said = harness.ask("resize", *size, MODES.index(mode), place(where), array(image))
    agree(said, pictures.resize(image, where, size, mode), image.max())


@pytest.mark.parametrize("mode", MODES)
def test_resize_to_the_same_size_changes_nothing(harness: Driver, mode: str) -> None:
    image = np.float32([[[0, 17.25, 255], [3, 4, 5]]])
    said = harness.ask("resize", 2, 3, MODES.index(mode), place(Geometry.of(image)), array(image))
    assert np.array_equal(result(said), image)


@quick
@given(
    images(),
    GEOMETRY,
    SIZE,
    MODE,
    st.sampled_from(["center", "corner"]),
    st.floats(-300, 300).map(np.float32),
)
@example(
    np.ones((1, 1, 13), np.float32), Geometry(1, 13, 1, 13), (13, 1), "bilinear", "center", np.float32(0)
)
def test_letterbox(
    harness: Driver, image: Any, where: Geometry, size: Any, mode: str, align: str, fill: Any
) -> None:
    where = at(image, where)
    words = (*size, float(fill), ["center", "corner"].index(align), MODES.index(mode))
    said = harness.ask("letterbox", *words, place(where), array(image))
    agree(said, pictures.letterbox(image, where, size, float(fill), align, mode), image.max())


@quick
@given(images(), GEOMETRY, st.data())
def test_crop(harness: Driver, image: Any, where: Geometry, more: Any) -> None:
    where = at(image, where)
    size = [more.draw(st.integers(1, side)) for side in image.shape[1:]]
    rest = [side - part for side, part in zip(image.shape[1:], size, strict=True)]
    middle = more.draw(st.booleans())
    part = None if middle else [more.draw(st.integers(0, side)) for side in rest]
    said = harness.ask("crop", *size, *(part or (-1, -1)), place(where), array(image))
    agree(said, pictures.crop(image, where, size, part))


@quick
@given(images(1, 3), GEOMETRY, st.sampled_from(["rgb", "bgr", "gray"]))
def test_color(harness: Driver, image: Any, where: Geometry, order: str) -> None:
    where = at(image, where)
    said = harness.ask("color", ["rgb", "bgr", "gray"].index(order), place(where), array(image))
    agree(said, pictures.color(image, where, order))


@quick
@given(images(), GEOMETRY, st.sampled_from(["nchw", "nhwc"]))
def test_layout(harness: Driver, image: Any, where: Geometry, order: str) -> None:
    where = at(image, where)
    said = harness.ask("layout", ["nchw", "nhwc"].index(order), place(where), array(image))
    agree(said, pictures.layout(image, where, order))


@quick
@given(images(), GEOMETRY, st.data())
def test_normalize(harness: Driver, image: Any, where: Geometry, more: Any) -> None:
    where = at(image, where)
    finite = st.floats(-100, 100).map(lambda v: round(v, 6))
    count = more.draw(st.sampled_from([1, image.shape[0]]))
    scale = more.draw(finite)
    mean = more.draw(st.lists(finite, min_size=count, max_size=count))
    std = more.draw(st.lists(finite.filter(lambda v: abs(v) >= 0.01), min_size=count, max_size=count))
    said = harness.ask("normalize", listed([scale]), listed(mean), listed(std), place(where), array(image))
    wanted, same = pictures.normalize(image, where, mean, std, scale)
    # What is taken away may be as large as what it is taken from.
    size = np.abs(image * np.float64(scale)) + np.abs(np.reshape(mean, (-1, 1, 1)))
    near(result(said), wanted, size / np.abs(np.reshape(std, (-1, 1, 1))))
    assert same == where


CHAINS: list[tuple[Any, ...]] = [
    (("resize", (20, 60)),),
    (("resize", (80, 15)),),
    (("letterbox", (64, 64)),),
    (("letterbox", (24, 80)),),
    (("crop", (21, 17)),),
    (("crop", (30, 30)), ("resize", (60, 15)), ("letterbox", (40, 50)), ("crop", (39, 35))),
]


@pytest.mark.parametrize("chain", CHAINS)
def test_places_come_back_through_all_that_pre_does(chain: Any) -> None:
    """A picture whose values are its own coordinates says where each pixel came from."""
    height, width = 40, 30
    picture = np.mgrid[0:height, 0:width] + 0.5
    where = Geometry.of(picture)
    for kind, size in chain:
        more = {"fill": -1.0} if kind == "letterbox" else {}
        picture, where = getattr(pictures, kind)(picture, where, size, **more)
    seen = 0
    for y, x in np.ndindex(*picture.shape[1:]):
        row, column = picture[:, y, x]
        if 8 <= row <= height - 8 and 3 <= column <= width - 3:  # not clamped, not filled
            seen += 1
            assert where.picture_y(y + 0.5) == pytest.approx(row, abs=1e-9)
            assert where.picture_x(x + 0.5) == pytest.approx(column, abs=1e-9)
    assert seen > 100
    assert (where.picture_y(1e6), where.picture_x(-1e6)) == (height, 0)


@pytest.mark.parametrize(
    ("shape", "known"),
    [
        ((3, 4, 5), True),
        ((1, 4, 5), True),
        ((4, 5, 3), True),
        ((3, 8, 5), False),
        ((4, 5), False),
        ((60,), False),
    ],
)
def test_what_code_of_the_projects_own_does_to_places(harness: Driver, shape: Any, known: bool) -> None:
    image = np.zeros(shape, np.float32)
    assert harness.ask("follow", place(Geometry(4, 5, 4, 5)), array(image)) == {"known": known}


GOOD = array(np.ones((3, 2, 2), np.float32))
HERE = place(Geometry(2, 2, 2, 2))
HUGE = 2**31 - 1
HOSTILE: list[tuple[Any, ...]] = [
    ("resize", (0, 5, 0), GOOD, "size below 1"),
    ("resize", (-3, 5, 2), GOOD, "size below 1"),
    ("resize", (HUGE, HUGE, 0), GOOD, "no shape"),
    ("resize", (1, 2**30, 2), GOOD, "no shape"),
    ("resize", (2, 2, 0), tensor((2, 2), [1] * 4), "takes an image"),
    ("resize", (2, 2, 3), tensor((1, 2, 0), []), "takes an image"),
    ("resize", (2, 2, 1), tensor((3, 2, 2), [1]), "with 1 numbers"),
    ("resize", (2, 2, 2), tensor((-1, -1, 1), [1]), "no shape"),
    ("resize", (2, 2, 0), tensor((HUGE, HUGE, HUGE), []), "no shape"),
    ("letterbox", (0, 2, 114, 0, 0), GOOD, "size below 1"),
    ("letterbox", (HUGE, HUGE, 114, 0, 0), GOOD, "no shape"),
    ("letterbox", (2, 2, 114, 0, 0), tensor((), []), "with 0 numbers"),
    ("letterbox", (2, 2, 114, 0, 0), tensor((4,), [1] * 4), "takes an image"),
    ("crop", (3, 2, -1, -1), GOOD, "not inside"),
    ("crop", (2, 2, 1, 0), GOOD, "not inside"),
    ("crop", (1, 1, HUGE, HUGE), GOOD, "not inside"),
    ("crop", (0, 1, 0, 0), GOOD, "not inside"),
    ("crop", (-1, 1, 0, 0), GOOD, "not inside"),
    ("crop", (-HUGE - 1, -HUGE - 1, -1, -1), GOOD, "not inside"),
    ("crop", (HUGE, HUGE, -1, -1), GOOD, "{2147483647, 2147483647} is not inside of an image of {2, 2}"),
    ("letterbox", (-HUGE, 2, 114, 0, 0), GOOD, "size below 1"),
    ("crop", (1, 1, 0, 0), tensor((1, 1, 1, 1), [1]), "takes an image"),
    ("color", (0,), tensor((2, 1, 1), [1, 2]), "1 or 3 channels"),
    ("color", (0,), tensor((4, 1, 1), [1] * 4), "1 or 3 channels"),
    ("color", (2,), tensor((3,), [1] * 3), "takes an image"),
    ("layout", (1,), tensor((2, 2), [1] * 4), "takes an image"),
    (
        "normalize",
        (listed([1]), listed([0, 0]), listed([1])),
        GOOD,
        "mean has 2 numbers, the image has 3 channels",
    ),
    ("normalize", (listed([]), listed([0]), listed([1])), GOOD, "scale has 0 numbers"),
    ("normalize", (listed([1]), listed([0]), listed([1])), tensor((0,), []), "takes an image"),
    ("normalize", (listed([1]), listed([0]), listed([1])), tensor((3, 2), [1]), "with 1 numbers"),
]


@pytest.mark.parametrize(("block", "by", "image", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_is_refused_in_words(
    harness: Driver, block: str, by: tuple[Any, ...], image: str, words: str
) -> None:
    assert words in refused(harness, block, *by, HERE, image)


def test_a_nan_stays_where_it_is(harness: Driver) -> None:
    image = np.float32([[[math.nan, 1], [2, 3]]])
    said = result(harness.ask("resize", 4, 4, 1, place(Geometry.of(image)), array(image)))
    assert np.isnan(said[0, :2, :2]).all()
    assert np.isfinite(said[0, 2:]).all()
