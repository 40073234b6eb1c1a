"""Generated nodes: ``box-[001-300]`` is 300 of them, and their values may name their number."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

MOST = 100_000
"""Nodes that one line may make."""

_RANGE = re.compile(r"\[([0-9]{1,9})-([0-9]{1,9})\]")
_PLACE = re.compile(r"\{(name|[1-9])(:d)?\}")


def expand(key: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names that a key stands for, each with its numbers as they stand in the name.

    ``box-[08-10]`` → ``box-08``, ``box-09``, ``box-10``; several ranges are each with each. A key without a
    range is a name. Raises ValueError for a range that runs backwards or makes too many.
    """
    ends = [(low, high) for low, high in _RANGE.findall(key)]
    count = 1
    for low, high in ends:
        if int(low) > int(high):
            raise ValueError(f"[{low}-{high}] runs backwards: the smaller number stands first")
        count *= int(high) - int(low) + 1
    if count > MOST:
        raise ValueError(f"this makes {count} nodes, and at most {MOST} are taken")
    words = _RANGE.sub("\0", key).split("\0")
    for numbers in itertools.product(*(_numbers(low, high) for low, high in ends)):
        name = "".join(itertools.chain.from_iterable(itertools.zip_longest(words, numbers, fillvalue="")))
        yield name, numbers


def _numbers(low: str, high: str) -> list[str]:
    return [f"{number:0{len(low)}d}" for number in range(int(low), int(high) + 1)]


def filled(value: Any, name: str, numbers: tuple[str, ...]) -> Any:
    """The same with ``{name}``, ``{1}`` (the first number, as in the name) and ``{1:d}`` (without zeros).

    Only texts are looked at, and only these words are replaced; keys stay. Raises ValueError for a number
    that the name does not have.
    """
    if isinstance(value, str):
        return _PLACE.sub(lambda found: _word(found, name, numbers), value) if "{" in value else value
    if isinstance(value, dict):
        return {key: filled(inner, name, numbers) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, name, numbers) for inner in value]
    return value


def sampled(value: Any) -> Any:
    """The same as one node might have it: for a check before it is known which nodes there are."""
    if isinstance(value, str):
        return _PLACE.sub("1", value) if "{" in value else value
    if isinstance(value, dict):
        return {key: sampled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [sampled(inner) for inner in value]
    return value


def _word(found: re.Match[str], name: str, numbers: tuple[str, ...]) -> str:
    which, plain = found.groups()
    if which == "name":
        return found[0] if plain else name
    if int(which) > len(numbers):
        have = f"{len(numbers)} range{'' if len(numbers) == 1 else 's'}" if numbers else "no range"
        raise ValueError(f"{found[0]}: the node's name has {have}")
    number = numbers[int(which) - 1]
    return str(int(number)) if plain else number
