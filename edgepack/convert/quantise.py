"""A conversion to 8 bits that is held to its gates at once, and helped where it misses them."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edgepack.catalog.recipes import Recipe
from edgepack.convert.evaluate import Judge, open_judge
from edgepack.convert.mixed import Score, Search
from edgepack.convert.recipe import Converted, Request, convert
from edgepack.plan.step import Work

Convert = Callable[[Request], Converted]


def searches(work: Work, recipe: Recipe, request: Request) -> bool:
    """Whether layers may be kept in floating point for this conversion, and there is what to hold it to."""
    declared = recipe.precision(request.precision, request.chip)
    may = declared is not None and declared.mixed and request.calibration is not None
    return may and work.slot == "convert" and "parity" in work.chain and recipe.about.simulator is not None


def with_search(work: Work, recipe: Recipe, request: Request, once: Convert) -> Converted:
    """``once``, and where a gate is missed, again with sensitive layers kept. Raises ConvertParityError."""
    with open_judge(work) as judge:
        search = Search(
            convert=lambda nodes: once(
                dataclasses.replace(request, keep=tuple(nodes), out=_emptied(request))
            ),
            judge=lambda converted: _score(judge, converted),
            rank=lambda: _ranking(work, request),
            limit=work.choice.options.quantisation.search,
            given=tuple(request.keep),
            progress=work.progress,
        )
        found = search.run()
        # The search may end with another try than the one that it settles on, whose files are gone then.
        kept = tuple(found.report.get("search", {}).get("kept", request.keep))
        if search.tried[-1].kept == kept:
            return found
        again = once(dataclasses.replace(request, keep=kept, out=_emptied(request)))
        return Converted(again.files, {**again.report, "search": found.report["search"]})


def _emptied(request: Request) -> Path:
    for leftover in request.out.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return request.out


def _score(judge: Judge, converted: Converted) -> Score:
    with tempfile.TemporaryDirectory(prefix="edgepack-candidate-") as temporary:
        for name, file in converted.files.items():
            place = Path(temporary) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        found = judge.evaluate(Path(temporary), converted.report)
    metric = found.score.converted if found.score else None
    size = sum(file.stat().st_size for file in converted.files.values())
    return Score(found.ok, found.cosine, metric, size)


def _ranking(work: Work, request: Request) -> Sequence[str]:
    """The model's weighted layers, the one whose rounding alone costs most first."""
    assert work.choice.prepare is not None
    work.progress("a gate is missed: measuring what each layer costs")
    with tempfile.TemporaryDirectory(prefix="edgepack-ranking-") as temporary:
        asked = dataclasses.replace(
            request, out=Path(temporary), chip=None, options={"sensitivity": {}}, keep=()
        )
        report = convert(work.choice.prepare, asked, work.log(work.slot), work.progress).report
    return [str(row["node"]) for row in report["ranking"]]
