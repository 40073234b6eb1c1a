"""Which trials there are: a grid of blows and steps, and what else is drawn by the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.chaos.steps import STEPS

ANY = "any instant"
# What happens, in the words of the table.
DEPLOYER = "the deployer is killed"
SESSION = "the box's side is killed"
GUARDLESS = "the box's side and its guard are killed"
RESET = "the link is reset"
FROZEN = "the link falls silent, its deployer is gone"
BOX = "all on the box is killed, it starts again"
PAGES = "the disk is full, but for some pages"
INODES = "the disk has no inodes left, but for some"
ROT = "a file of the new release rots on the disk"
WRONG = "the release computes something else"
BLOWS = (DEPLOYER, SESSION, GUARDLESS, RESET, FROZEN, BOX)
FULL = (PAGES, INODES)
REFUSED = (ROT, WRONG)  # after these the new release must never run
_ANY_EACH = 8  # of a round, beside each step once
_WAYS = ((), ("--whole-files",), ("--whole-files", "--limit", "400k"), ("--limit", "20k"))


@dataclass(frozen=True)
class Trial:
    """``step``: at its beginning, or ANY; ``at``: 0..1, of a deploy's usual time, or of 50 ms after the step.
    ``first``: the box is empty before. ``waits``: nobody comes until the box went back by itself.
    ``left``: the pages or inodes that a full disk still has.
    """

    number: int
    blow: str
    step: str
    at: float
    way: tuple[str, ...]
    first: bool
    waits: bool
    left: int = 0


def trial(kind: str, seed: str, number: int) -> Trial:
    """The n-th of this seed's trials for a kind of box."""
    draw = random.Random(f"{kind}/{seed}/{number}")
    blows = BLOWS if kind == "sandbox" else (*BLOWS, *FULL, *FULL, *FULL)
    places = [*STEPS, *[ANY] * _ANY_EACH]
    random.Random(f"{kind}/{seed}").shuffle(places)  # one that is stopped has seen all of the way
    blow, step = blows[number % len(blows)], places[number // len(blows) % len(places)]
    if number % 29 == 28:
        blow, step = draw.choice(REFUSED), "sent"
    at = draw.random() if step == ANY else draw.random() ** 3
    way = draw.choice(_WAYS)
    first, waits = draw.random() < 0.12, draw.random() < 0.1
    # Most writes are small and each is to be the first that fails; a release itself is some hundred pages.
    left = draw.choice((draw.randrange(4), draw.randrange(16), draw.randrange(16), draw.randrange(1200)))
    if blow in REFUSED:
        first, waits, at = False, False, 0.0
    return Trial(number, blow, step, at, way, first, waits, left)
