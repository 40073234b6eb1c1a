"""``edgepack recipes [ID]``, ``edgepack recipes check ID…``: the conversions, and whether each works here."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgepack.catalog.recipes import Recipe
    from edgepack.cli.screen import Screen
    from edgepack.convert.check import Case, Shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "ids",
        nargs="*",
        metavar="ID",
        help="show one recipe; after `check`, prove it on a small trained network, in every precision",
    )
    parser.add_argument("--precision", action="append", default=[], help="check: only this one")
    parser.add_argument("--chip", action="append", default=[], help="check: only this one")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List all, show one, or check some."""
    from edgepack.catalog import recipes

    known = recipes.load_all(Path(args.folder).absolute())
    if args.ids[:1] == ["check"]:
        return _check(known, [_find(known, word) for word in args.ids[1:]], args, screen)
    if args.ids:
        for word in args.ids:
            _show(_find(known, word), screen)
        screen.result([_as_dict(_find(known, word)) for word in args.ids])
        return 0
    screen.result([_as_dict(recipe) for recipe in known.values()])
    screen.rows(
        [_row(recipe) for recipe in known.values()],
        header=["RECIPE", "FROM", "TO", "PRECISIONS", "STATE HERE", "TOOL"],
    )
    return 0


def _row(recipe: Recipe) -> list[str]:
    from edgepack.convert.state import state

    about = recipe.about
    precisions = " ".join(dict.fromkeys(p.name for p in about.precisions))
    return [recipe.id, about.from_, about.to, precisions, state(recipe), about.tool]


def _as_dict(recipe: Recipe) -> dict[str, object]:
    from edgepack.convert.state import state

    about = recipe.about.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"id": recipe.id, "folder": str(recipe.folder), "state": state(recipe), **about}


def _find(known: dict[str, Recipe], wanted: str) -> Recipe:
    import difflib

    from edgepack.errors import UsageError

    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, 1, 0.5)
    why = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known)}"
    raise UsageError(f"there is no recipe `{wanted}`", why=why, fix="edgepack recipes")


def _show(recipe: Recipe, screen: Screen) -> None:
    from edgepack.convert.sdk_find import way_to
    from edgepack.convert.state import lacks, state

    about = recipe.about
    screen.text(f"{recipe.id}: {about.summary}")
    screen.text(f"  {about.from_} → {about.to}, by {about.tool}; here: {state(recipe)}")
    if about.sdk and lacks(recipe):
        screen.text(f"  {way_to(about.sdk)}")
    shown = f"shown on this host by {recipe.gives_back}" if about.simulator else "by contract only"
    screen.text(f"  its results are {shown}")
    for precision in about.precisions:
        on = f" on {', '.join(precision.chips)}" if precision.chips else ""
        needs = ", calibration data" if precision.calibration else ""
        mixed = ", single layers may stay in floating point" if precision.mixed else ""
        screen.text(f"  {precision.name}{on}{needs}{mixed}")
        screen.text(screen.paint(f"      source: {precision.source}", "dim"))
    if about.chips:
        screen.text(f"  chips: {', '.join(about.chips)}")
    if about.loads_on:
        screen.text(f"  loads on {about.loads_on.runtime} {about.loads_on.versions}")
        screen.text(screen.paint(f"      source: {about.loads_on.source}", "dim"))
    screen.text(f"  folder: {recipe.folder}")


def _check(known: dict[str, Recipe], asked: list[Recipe], args: argparse.Namespace, screen: Screen) -> int:
    """Each case a line as it ends; 8 where one that can run here does not hold, 5 where a tool lacks."""
    from edgepack.convert.check import Bench, cases, check
    from edgepack.convert.state import lacks
    from edgepack.errors import Exit, UsageError
    from edgepack.plan.chain import PREPARE
    from edgepack.tools import cache

    if not asked:
        raise UsageError("which recipe is to be checked?", fix="edgepack recipes check onnx-ncnn")
    log = cache.root() / "logs" / "recipes-check.log"
    shown: list[tuple[Recipe, Shown]] = []
    lacking = {recipe.id: lack for recipe in asked if (lack := lacks(recipe))}
    for recipe_id, lack in lacking.items():
        screen.text(f"{recipe_id}: nothing is shown; needs {lack}")
    for recipe in (r for r in asked if r.id not in lacking):
        for case in (c for c in cases(recipe) if _wanted(c, args)):
            name = f"{recipe.id} {case}"
            screen.started(name)
            bench = Bench(known[PREPARE], log, _noter(screen, name), {})
            result = check(recipe, case, bench)
            screen.done(name, _line(result), good=result.ok)
            shown.append((recipe, result))
    screen.stop()
    screen.result([{"recipe": recipe.id, **asdict(result)} for recipe, result in shown])
    lines = [[f"{recipe.id} {result.case}", _line(result)] for recipe, result in shown]
    if lines:
        screen.rows(lines, header=["RECIPE", "SHOWN HERE"])
    if any(result.state == "failed" for _, result in shown):
        return Exit.PARITY
    return Exit.TOOL if lacking else Exit.OK


def _wanted(case: Case, args: argparse.Namespace) -> bool:
    return case.precision in (args.precision or [case.precision]) and case.chip in (args.chip or [case.chip])


def _noter(screen: Screen, name: str) -> Callable[[str], None]:
    return lambda note: screen.note(name, note)


def _line(result: Shown) -> str:
    numbers = []
    if result.cosine is not None:
        numbers.append(f"cosine {result.cosine:.6f}")
    if result.bytes:
        numbers.append(f"{result.bytes / 1e3:,.0f} kB, {result.seconds:.1f} s, {result.peak_mb} MB")
    return "; ".join(part for part in (result.state, ", ".join(numbers), result.why) if part)
