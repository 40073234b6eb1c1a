"""Halving: whatever the errors are, what is named is right before and off after, within the bound."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from edgepack.convert.bisect import Bracket, Limits, bisect

ENOUGH = Limits(probes=1000, seconds=math.inf)
GATE = 0.5


class Model:
    """A model by the error at each place, None where nothing can be told; ``asked``: what was probed."""

    def __init__(self, errors: Sequence[float | None], seconds: float = 0.0) -> None:
        self.errors = errors
        self.seconds = seconds
        self.asked: list[int] = []

    def probe(self, place: int) -> bool | None:
        self.asked.append(place)
        error = self.errors[place]
        return None if error is None else error < GATE

    def clock(self) -> float:
        return len(self.asked) * self.seconds

    def look(self, limits: Limits = ENOUGH) -> Bracket:
        return bisect(len(self.errors) - 1, self.probe, limits, self.clock)


def drawn(seed: int) -> Model:
    """Errors that grow, that come and go, or that jump at one place; with places that cannot be told."""
    draw = random.Random(seed)
    count = draw.randint(1, 300)
    kind = draw.choice(("grows", "comes and goes", "jumps"))
    at = draw.randint(1, count)
    errors: list[float | None] = []
    for place in range(count + 1):
        value = {"grows": place / count, "comes and goes": draw.random(), "jumps": float(place >= at)}[kind]
        errors.append(None if draw.random() < 0.1 * (seed % 3) else value)
    errors[0], errors[-1] = 0.0, 1.0
    return Model(errors)


@pytest.mark.parametrize("seed", range(300))
def test_it_is_right_before_and_off_after(seed: int) -> None:
    model = drawn(seed)
    found = model.look()
    before, after = model.errors[found.good], model.errors[found.off]
    assert before is not None and before < GATE  # noqa: PT018 - one claim
    assert after is not None and after >= GATE  # noqa: PT018
    assert all(model.errors[place] is None for place in range(found.good + 1, found.off))
    assert (found.stopped, found.probes) == ("", len(model.asked))
    assert len(set(model.asked)) == len(model.asked)
    lost = sum(error is None for error in model.errors)
    assert found.probes <= math.ceil(math.log2(len(model.errors))) + 1 + lost


@pytest.mark.parametrize("at", range(1, 13))
def test_one_jump_is_found_in_as_many_probes_as_halving_takes(at: int) -> None:
    found = Model([float(place >= at) for place in range(13)]).look()
    assert (found.good, found.off) == (at - 1, at)
    assert found.probes <= 4


@pytest.mark.parametrize(
    ("limits", "probes", "words"),
    [
        (Limits(3, math.inf), 3, "after 3 conversions"),
        (Limits(1000, 100), 3, "after 90 s, for one more may take 30 s"),
    ],
)
def test_it_stops_early_and_says_so(limits: Limits, probes: int, words: str) -> None:
    found = Model([float(place >= 700) for place in range(1001)], seconds=30).look(limits)
    assert (found.probes, found.good < 700 <= found.off) == (probes, True)
    assert words in found.stopped


def test_a_model_of_one_layer_needs_no_probe() -> None:
    assert Model([0.0, 1.0]).look() == Bracket(0, 1, 0)
