"""Versions against what people write of them: ``>=2.5,<3``, ``2.5 or newer``, ``12.0 to 12.6``, ``36.4``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r"(>=|<=|==|<|>)\s*([0-9][0-9A-Za-z.+]*)")
_NEWER = re.compile(r"([0-9][0-9A-Za-z.]*) or newer(?:, below ([0-9][0-9A-Za-z.]*))?")
_TO = re.compile(r"([0-9][0-9A-Za-z.]*) to ([0-9][0-9A-Za-z.]*)")
_ONE = re.compile(r"[0-9][0-9A-Za-z.]*")
Number = tuple[int, ...]


@dataclass(frozen=True)
class Range:
    """One of several terms must hold, each a conjunction. ``named``: single versions that were seen."""

    terms: tuple[tuple[tuple[str, Number], ...], ...]
    named: bool = False

    def fits(self, version: str) -> bool:
        """Whether a version lies in it: 36.4 takes 36.4.3."""
        has = numbers(version)
        return any(all(_holds(sign, has, wanted) for sign, wanted in term) for term in self.terms)

    def same_generation(self, version: str) -> bool:
        """Whether one of the single versions has the same first number."""
        return self.named and any(
            wanted[:1] == numbers(version)[:1] for term in self.terms for _, wanted in term
        )


def read(text: str) -> Range | None:
    """None where it is words for people alone: "of the same version"."""
    words = text.strip()
    terms = [part.strip() for part in words.split(",")]
    if all(_TERM.fullmatch(term) for term in terms):
        found = [_TERM.fullmatch(term) for term in terms]
        return Range((tuple((m[1], numbers(m[2])) for m in found if m),))
    if newer := _NEWER.fullmatch(words):
        below = (("<", numbers(newer[2])),) if newer[2] else ()
        return Range((((">=", numbers(newer[1])), *below),))
    if to := _TO.fullmatch(words):
        return Range((((">=", numbers(to[1])), ("upto", numbers(to[2]))),))
    several = re.split(r", | and ", words)
    if all(_ONE.fullmatch(one) for one in several):
        return Range(tuple((("==", numbers(one)),) for one in several), named=True)
    return None


def numbers(version: str) -> Number:
    """``10.3.0.30`` → (10, 3, 0, 30); what is no number in a part, and after it, does not count."""
    found: list[int] = []
    for part in version.split("."):
        if not (digits := re.match(r"\d+", part)):
            break
        found.append(int(digits[0]))
        if digits[0] != part:
            break
    return tuple(found)


def _holds(sign: str, has: Number, wanted: Number) -> bool:
    longest = max(len(has), len(wanted))
    left, right = (each + (0,) * (longest - len(each)) for each in (has, wanted))
    return {
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
        "==": has[: len(wanted)] == wanted,
        "upto": has[: len(wanted)] <= wanted,
    }[sign]
