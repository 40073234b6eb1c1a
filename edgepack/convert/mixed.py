"""Where 8 bits miss a gate: the fewest of the most sensitive layers stay in floating point until it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgepack.convert.recipe import Converted


@dataclass(frozen=True)
class Score:
    """How one conversion did. cosine: the least of all outputs; metric: the task's, where one is given."""

    ok: bool
    cosine: float
    metric: float | None
    bytes: int

    def __str__(self) -> str:
        task = f", {self.metric:.4f} on the task" if self.metric is not None else ""
        return f"cosine {self.cosine:.5f}{task}, {self.bytes / 1e3:,.0f} kB"


@dataclass(frozen=True)
class Tried:
    """One step of the search: which nodes stayed in floating point, and what came of it."""

    kept: tuple[str, ...]
    score: Score

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return {"kept": list(self.kept), **vars(self.score)}


@dataclass
class Search:
    """How to look for the layers.

    convert: with these nodes kept. judge: hold that to the gates. rank: the nodes, the most sensitive first.
    limit: how many may be kept. given: nodes that the user keeps in any case.
    """

    convert: Callable[[Sequence[str]], Converted]
    judge: Callable[[Converted], Score]
    rank: Callable[[], Sequence[str]]
    limit: int
    given: tuple[str, ...] = ()
    progress: Callable[[str], None] = lambda _line: None
    tried: list[Tried] = field(default_factory=list)

    def run(self) -> Converted:
        """The conversion with the fewest kept layers that holds; its report has the search in ``search``.

        Without any kept layer where that holds, where none may be kept, and where keeping ``limit`` does not
        help: then something else may be wrong, and what it is, is for the parity stage to say.
        """
        plain, score = self._try(())
        if score.ok or self.limit == 0:
            return plain
        ranking = [node for node in self.rank() if node not in self.given]
        holds, fails = self._grow(ranking)
        if holds is None:
            return Converted(plain.files, {**plain.report, "search": self._in_vain()})
        converted = self._shrink(ranking, holds, fails)
        return Converted(converted.files, {**converted.report, "search": self._bought()})

    def _try(self, kept: Sequence[str]) -> tuple[Converted, Score]:
        nodes = (*self.given, *kept)
        converted = self.convert(nodes)
        score = self.judge(converted)
        self.tried.append(Tried(nodes, score))
        self.progress(f"{len(nodes)} layers kept: {score}")
        return converted, score

    def _grow(self, ranking: Sequence[str]) -> tuple[tuple[int, Converted] | None, int]:
        """How many kept layers hold, doubling, None where none do; and the last number that did not."""
        # With every layer kept, what is called 8 bits would have none in it.
        most, fails, count = min(self.limit, len(ranking) - 1), 0, 1
        while most > 0 and fails < most:
            count = min(max(count, 1), most)
            converted, score = self._try(ranking[:count])
            if score.ok:
                return (count, converted), fails
            fails, count = count, count * 2
        return None, fails

    def _shrink(self, ranking: Sequence[str], holds: tuple[int, Converted], fails: int) -> Converted:
        """The least number between one that failed and one that held, by halving."""
        count, best = holds
        while count - fails > 1:
            middle = (count + fails) // 2
            converted, score = self._try(ranking[:middle])
            if score.ok:
                count, best = middle, converted
            else:
                fails = middle
        return best

    def _bought(self) -> Mapping[str, Any]:
        first = self.tried[0]
        best = min((t for t in self.tried if t.score.ok), key=lambda t: len(t.kept))
        return {
            "kept": list(best.kept),
            "bought": {
                "cosine": [first.score.cosine, best.score.cosine],
                "metric": [first.score.metric, best.score.metric],
            },
            "cost_bytes": best.score.bytes - first.score.bytes,
            "tried": [tried.as_dict() for tried in self.tried],
        }

    def _in_vain(self) -> Mapping[str, Any]:
        return {"kept": list(self.given), "tried": [tried.as_dict() for tried in self.tried]}
