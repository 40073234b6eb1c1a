"""Which recipes lead from what the training wrote to what the box reads: formats are nodes, recipes edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgepack.catalog.recipes import Recipe

HUB = "onnx"  # every chain that passes it has its model prepared there
PREPARE = "onnx"  # the recipe that does so


@dataclass(frozen=True)
class Chain:
    """recipes: in order, ``prepare`` not among them. why: how it was chosen, and why not the others."""

    recipes: tuple[Recipe, ...]
    why: str

    @property
    def last(self) -> Recipe:
        return self.recipes[-1]

    @property
    def imports(self) -> tuple[Recipe, ...]:
        """The hops before ONNX."""
        return tuple(r for r in self.recipes if r.about.from_ != HUB and self._leads_to_hub(r))

    @property
    def converts(self) -> tuple[Recipe, ...]:
        """The hops after ONNX, or all where the chain does not pass it."""
        return tuple(r for r in self.recipes if r not in self.imports)

    @property
    def prepared(self) -> bool:
        """Whether the model is ONNX at some point."""
        return any(r.about.from_ == HUB for r in self.recipes)

    def __str__(self) -> str:
        return " → ".join([self.recipes[0].about.from_, *(r.about.to for r in self.recipes)])

    def _leads_to_hub(self, recipe: Recipe) -> bool:
        return any(r.about.from_ == HUB for r in self.recipes[self.recipes.index(recipe) + 1 :])


@dataclass(frozen=True)
class Wanted:
    """Where a chain begins, and what has to come out of it."""

    source: str
    runtime: str
    chip: str | None
    precision: str | None  # None: any


def format_of(file: str, recipes: Mapping[str, Recipe], folder: Path | None = None) -> str | None:
    """The format of a model by its file's name; of a folder by a file in it. None where no recipe reads it.

    ``folder``: where ``file`` lies, looked into only where a recipe asks for a folder.
    """
    name = PurePosixPath(file).name.lower()
    fits = [
        (len(suffix), recipe.about.from_)
        for recipe in recipes.values()
        for suffix in recipe.about.suffixes
        if (name.endswith(suffix.lower()) and not suffix.startswith("*/"))
        or (suffix.startswith("*/") and folder is not None and (folder / file / suffix[2:]).is_file())
    ]
    if name.endswith(f".{HUB}"):
        return HUB
    return max(fits)[1] if fits else None


def find(recipes: Mapping[str, Recipe], wanted: Wanted, missing: Mapping[str, str]) -> Chain | None:
    """The shortest chain; of equals one whose tools are here, then the first by name.

    missing: recipe id → what it lacks on this host. None where there is no chain.
    """
    chains = [c for c in _all(recipes.values(), wanted) if _writes(c, wanted)]
    if not chains:
        return None

    def rank(chain: tuple[Recipe, ...]) -> tuple[int, int, tuple[str, ...]]:
        return sum(r.id in missing for r in chain), len(chain), tuple(r.id for r in chain)

    # The tools of a longer chain may be here where those of a shorter are not, but a detour of more
    # than one hop is not what people expect.
    shortest = min(len(c) for c in chains)
    chains = sorted((c for c in chains if len(c) <= shortest + 1), key=rank)
    return Chain(chains[0], _why(chains, missing))


def _why(chains: list[tuple[Recipe, ...]], missing: Mapping[str, str]) -> str:
    best, others = chains[0], chains[1:]
    lacking = [f"{r.id} lacks {missing[r.id]}" for r in best if r.id in missing]
    said = "the only one there is" if not others else "the shortest that is ready here"
    if lacking:
        said = "; ".join(lacking)
    for other in others[:3]:
        lacks = next((f"lacks {missing[r.id]}" for r in other if r.id in missing), "")
        longer = "longer" if len(other) > len(best) else ""
        ids = " then ".join(r.id for r in other)
        said += f"; not {ids}: {lacks or longer or 'comes later by name'}"
    return said


def _writes(chain: tuple[Recipe, ...], wanted: Wanted) -> bool:
    return wanted.precision is None or wanted.precision in chain[-1].precisions_for(wanted.chip)


def _all(recipes: Iterable[Recipe], wanted: Wanted, longest: int = 4) -> list[tuple[Recipe, ...]]:
    """Every chain without a format twice, of at most ``longest`` hops."""
    edges = [r for r in recipes if r.about.from_ != r.about.to]
    found: list[tuple[Recipe, ...]] = []
    open_: list[tuple[Recipe, ...]] = [(r,) for r in edges if r.about.from_ == wanted.source]
    while open_:
        chain = open_.pop(0)
        last = chain[-1]
        seen = {wanted.source, *(r.about.to for r in chain)}
        if _ends(last, wanted):
            found.append(chain)
        if len(chain) < longest:
            open_ += [(*chain, r) for r in edges if r.about.from_ == last.about.to and r.about.to not in seen]
    return found


def _ends(recipe: Recipe, wanted: Wanted) -> bool:
    loads = recipe.about.loads_on
    fits = not recipe.about.chips or wanted.chip in recipe.about.chips
    return loads is not None and loads.runtime == wanted.runtime and fits


def runtimes(recipes: Mapping[str, Recipe], chip: str | None) -> set[str]:
    """Every runtime that some recipe writes for, on that chip."""
    return {
        r.about.loads_on.runtime
        for r in recipes.values()
        if r.about.loads_on and (not r.about.chips or chip in r.about.chips)
    }
