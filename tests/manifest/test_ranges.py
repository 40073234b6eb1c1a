"""Nodes that one line makes, and values that name their number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack.manifest import ranges


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("box", ["box"]),
        ("box-[1-3]", ["box-1", "box-2", "box-3"]),
        ("box-[08-10]", ["box-08", "box-09", "box-10"]),
        ("[1-2]-of-[3-4].x", ["1-of-3.x", "1-of-4.x", "2-of-3.x", "2-of-4.x"]),
        ("box-[7-7]", ["box-7"]),
        ("box-[a-c]", ["box-[a-c]"]),  # no range; the name is refused as a name
    ],
)
def test_a_key_is_so_many_names(key: str, names: list[str]) -> None:
    assert [name for name, _ in ranges.expand(key)] == names


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("box-[9-1]", "backwards"),
        ("box-[0-999999999]", "at most 100000"),
        ("[1-999][1-999]", "at most 100000"),
    ],
)
def test_what_is_no_range_is_told(key: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        list(ranges.expand(key))


@given(st.integers(0, 900), st.integers(0, 60), st.integers(1, 4))
def test_each_number_once_and_in_order(low: int, more: int, width: int) -> None:
    made = list(ranges.expand(f"b[{low:0{width}d}-{low + more}]"))
    assert [int(numbers[0]) for _, numbers in made] == list(range(low, low + more + 1))
    assert len({name for name, _ in made}) == more + 1
    assert all(name == f"b{numbers[0]}" for name, numbers in made)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("10.0.{1:d}.1", "10.0.7.1"),
        ("{name}.berlin.example", "gate-007-b2.berlin.example"),
        ("{2}/{1}", "2/007"),
        ({"url": ["rtsp://cam{1}/x"], "n": 3}, {"url": ["rtsp://cam007/x"], "n": 3}),
        ("{} {0} {x} {name:d} {{1}}", "{} {0} {x} {name:d} {007}"),
        (None, None),
    ],
)
def test_values_name_their_number(value: Any, said: Any) -> None:
    assert ranges.filled(value, "gate-007-b2", ("007", "2")) == said


def test_a_number_that_the_name_has_not() -> None:
    with pytest.raises(ValueError, match=r"\{2\}: the node's name has 1 range"):
        ranges.filled("cam-{2}", "box-1", ("1",))
