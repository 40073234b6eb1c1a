"""The first place in an order where something goes off: found by halving, within a bound on the cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

# What a probe says of a place: up to there all is right, something is off, or it cannot be told there.
Probe = Callable[[int], bool | None]


@dataclass(frozen=True)
class Limits:
    """How often may be probed, and for how many seconds."""

    probes: int = 12  # halves a model of 4,096 places
    seconds: float = 600.0


LIMITS = Limits()


@dataclass(frozen=True)
class Bracket:
    """What goes off does so after ``good`` and not after ``off``. probes: how many were made.

    stopped: why it ended while there were places between that had not been probed; empty where it did not.
    """

    good: int
    off: int
    probes: int
    stopped: str = ""


def bisect(
    last: int, probe: Probe, limits: Limits = LIMITS, clock: Callable[[], float] = time.monotonic
) -> Bracket:
    """Between 0, where all is right, and ``last``, where something is off: both are known and not probed.

    Errors need not grow from place to place: each probe keeps one end that is right and one that is off, so
    between the two that are left it goes off, wherever else it may do so too. A place where nothing can be
    told is passed over for the one nearest to it, so the ends may have such places between them.
    """
    good, off, probes, began, slowest = 0, last, 0, clock(), 0.0
    unknown: set[int] = set()
    while between := [place for place in range(good + 1, off) if place not in unknown]:
        spent = clock() - began
        if probes >= limits.probes:
            return Bracket(good, off, probes, f"after {probes} conversions, the most that are made for this")
        if probes and spent + slowest > limits.seconds:
            return Bracket(good, off, probes, f"after {spent:.0f} s, for one more may take {slowest:.0f} s")
        place = min(between, key=lambda place: abs(2 * place - good - off))
        found = probe(place)
        probes += 1
        slowest = max(slowest, clock() - began - spent)
        if found is None:
            unknown.add(place)
        elif found:
            good = place
        else:
            off = place
    return Bracket(good, off, probes)
