"""The blocks of `post` that take numbers, against their twins; and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from edgepack_blocks import scores
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.blocks.words import array, many, near, numbers, refused, result, tensor, text
from tests.compile.program_driver import Driver

pytestmark = pytest.mark.slow
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ANY = st.floats(width=32)
FLOATS = st.floats(-1e6, 1e6, width=32)
ALIKE = st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0, math.nan, math.inf, -math.inf])
ALPHABET = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5)


def outputs(elements: st.SearchStrategy[float], most: int = 3) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.float32, arrays.array_shapes(max_dims=most, max_side=5), elements=elements)


@quick
@given(outputs(FLOATS) | outputs(ANY) | outputs(ALIKE))
def test_softmax(harness: Driver, values: Any) -> None:
    said = result(harness.ask("softmax", array(values)))
    # Shares below 1e-30 of the whole may round to nothing.
    near(said, np.float32(scores.softmax(values)), 1e-30)


def test_nan_is_null_and_not_a_number_one_could_believe(harness: Driver) -> None:
    assert harness.ask("softmax", tensor((3,), [1.0, math.nan, 2.0]))["data"] == [None, None, None]


@quick
@given(outputs(FLOATS) | outputs(ANY) | outputs(ALIKE))
def test_sigmoid(harness: Driver, values: Any) -> None:
    near(result(harness.ask("sigmoid", array(values))), np.float32(scores.sigmoid(values)))


@quick
@given(outputs(FLOATS) | outputs(ALIKE), st.integers(1, 9), st.booleans())
@example(np.float32([math.nan, math.nan]), 2, True)
def test_topk(harness: Driver, values: Any, k: int, named: bool) -> None:
    labels = [f"klasse {i} \N{GREEK SMALL LETTER ALPHA}" for i in range(values.size)] if named else []
    said = harness.ask("topk", k, many(map(text, labels)), array(values))
    wanted = scores.topk(values, k, labels)
    assert list(said) == list(wanted)
    for field in ("score", "top"):
        near(numbers(np.ravel(said.pop(field))), np.array(np.ravel(wanted.pop(field)), np.float64))
    assert said == wanted


@quick
@given(st.data())
def test_ctc(harness: Driver, more: Any) -> None:
    alphabet = more.draw(ALPHABET)
    blank = more.draw(st.integers(0, len(alphabet)))
    steps = more.draw(st.integers(0, 8))
    elements = st.floats(0, 1, width=32) | ALIKE
    values = more.draw(arrays.arrays(np.float32, (steps, len(alphabet) + 1), elements=elements))
    shape = (
        more.draw(st.sampled_from([(steps, -1), (steps, 1, -1), (1, steps, -1)])) if steps else values.shape
    )
    values = values.reshape(shape)
    said = harness.ask("ctc", many(map(text, alphabet)), blank, array(values))
    with np.errstate(invalid="ignore"):
        wanted = scores.ctc(values, alphabet, blank)
    assert said["text"] == wanted["text"]
    near(numbers([said["score"]]), np.array([wanted["score"]]))


@pytest.mark.parametrize(
    ("best", "read"),
    [("aab", "ab"), ("a-ab", "aab"), ("---", ""), ("bb--b", "bb"), ("-a-b-", "ab"), ("", "")],
)
def test_ctc_by_hand(harness: Driver, best: str, read: str) -> None:
    values = np.zeros((len(best), 3), np.float32)
    for step, letter in enumerate(best):
        values[step, "-ab".index(letter)] = 0.5 if step % 2 else 1
    said = harness.ask("ctc", many(map(text, "ab")), 0, array(values))
    assert said["text"] == read == scores.ctc(values, "ab")["text"]


HUGE = 2**31 - 1
TWO = many(map(text, "ab"))
HOSTILE: list[tuple[Any, ...]] = [
    ("softmax", (), tensor((), []), "with 0 numbers"),
    ("softmax", (), tensor((), [1]), "without numbers"),
    ("softmax", (), tensor((2, 0), []), "without numbers"),
    ("softmax", (), tensor((3,), [1, 2]), "with 2 numbers"),
    ("softmax", (), tensor((2, 2), [1] * 5), "with 5 numbers"),
    ("softmax", (), tensor((HUGE, HUGE, HUGE), [1]), "no shape"),
    ("softmax", (), tensor((-1, -1), [1]), "no shape"),
    ("sigmoid", (), tensor((3,), [1]), "with 1 numbers"),
    ("sigmoid", (), tensor((65536, 65536, 65536, 65536), []), "no shape"),
    ("topk", (1, many([])), tensor((0,), []), "without numbers"),
    ("topk", (1, many([])), tensor((2, HUGE), [1]), "no shape"),
    ("topk", (1, TWO), tensor((3,), [1, 2, 3]), "3 classes and 2 labels"),
    ("ctc", (TWO, 0), tensor((3,), [1, 2, 3]), "for 2 characters and a blank"),
    ("ctc", (TWO, 0), tensor((2, 2), [1] * 4), "for 2 characters and a blank"),
    ("ctc", (TWO, 3), tensor((1, 3), [1] * 3), "for 2 characters and a blank"),
    ("ctc", (TWO, 0), tensor((2, 2, 3), [1] * 12), "for 2 characters and a blank"),
    ("ctc", (TWO, 0), tensor((2, 3), [1] * 5), "with 5 numbers"),
    ("ctc", (TWO, 0), tensor((), []), "with 0 numbers"),
]


@pytest.mark.parametrize(("block", "by", "output", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_is_refused_in_words(
    harness: Driver, block: str, by: tuple[Any, ...], output: str, words: str
) -> None:
    assert words in refused(harness, block, *by, output)


def test_more_than_there_are_is_all_of_them(harness: Driver) -> None:
    said = harness.ask("topk", 2**31 - 1, many([]), tensor((2,), [1, 2]))
    assert said == {"class": 1, "score": 2, "top": [1, 2, 0, 1]}
