"""What recipes say of operators is held to the toolkits themselves, a few of them at a time, by a seed."""

from __future__ import annotations

import random

import pytest

from bench.operators import __main__ as operators
from bench.operators.cases import every
from bench.operators.tried import Way, afresh

pytestmark = pytest.mark.heavy
SEED, TIMEOUT_S = 20261121, 240
WAYS = [way for way in operators.ways() if way.recipe.about.knows]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.recipe.id)
def test_what_is_lacking_is_refused_and_what_is_had_converts(way: Way) -> None:
    draw = random.Random(SEED)
    said = {case: operators.said(way.recipe, case) for case in every()}
    for has in (True, False):
        uses = [case for case, value in said.items() if value is has]
        for case in draw.sample(uses, min(2, len(uses))):
            found = afresh(way, case, TIMEOUT_S)
            assert (found.state == "agrees") == has, (case.id, found)
