"""Every case of every recipe, and which of them to measure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.recipes.networks import NAMES
from edgepack.catalog import targets
from edgepack.catalog.recipes import Recipe
from edgepack.catalog.targets import Target
from edgepack.convert import check
from edgepack.convert.check import Case
from edgepack.convert.state import lacks

# Refused in words, as it must be on this host: for people to read in the table, not for a slice to draw.
REFUSED = {
    ("onnx-paddlelite", precision, "lenet"): "Paddle Lite for x86 lacks an operator of this network"
    for precision in ("fp32", "w8")
}
# The longest last: seconds for each of the others on the detector, minutes for these.
LAST = ("onnx-rknn", "onnx-bmodel")


@dataclass(frozen=True)
class Row:
    """One case on one network, and the targets that it is for."""

    recipe: Recipe
    case: Case
    network: str
    targets: tuple[str, ...]

    @property
    def key(self) -> str:
        """What it is kept under."""
        return " ".join([self.recipe.id, self.case.precision, self.case.chip or "-", self.network])

    @property
    def is_refused(self) -> bool:
        return (self.recipe.id, self.case.precision, self.network) in REFUSED


def rows(known: dict[str, Recipe]) -> Iterator[Row]:
    """Every case there is, the networks of each in turn."""
    there = list(targets.load_all(None))
    for recipe in known.values():
        if recipe.about.loads_on is None:
            continue
        for case in check.cases(recipe):
            for network in NAMES if recipe.about.from_ == "onnx" else NAMES[:1]:
                yield Row(recipe, case, network, tuple(t.id for t in there if _is_for(t, recipe, case)))


def _is_for(target: Target, recipe: Recipe, case: Case) -> bool:
    assert recipe.about.loads_on is not None
    return recipe.about.loads_on.runtime in target.about.runtimes and case.chip in (None, target.chip)


def in_turn(chosen: Sequence[Row]) -> list[Row]:
    """The quick ones first: what is stopped has shown the most."""

    def slowness(row: Row) -> tuple[int, bool]:
        return LAST.index(row.recipe.id) + 1 if row.recipe.id in LAST else 0, row.network != NAMES[0]

    return sorted(chosen, key=slowness)


def drawn(every: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Cases that this host can show, one a recipe as far as that goes."""
    here = [row for row in every if not lacks(row.recipe) and row.recipe.about.simulator]
    here = [row for row in here if not row.is_refused]
    random.Random(seed).shuffle(here)
    first = {row.recipe.id: row for row in reversed(here)}
    ones = list(first.values())
    if count <= len(ones):
        return random.Random(seed).sample(ones, count)
    return [*ones, *(row for row in here if row is not first[row.recipe.id])][:count]
