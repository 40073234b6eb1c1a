"""Which ONNX operators each toolkit has: ``python -m bench.operators [--slice N] [--seed S]``.

Tiny networks around one operator each, converted by every recipe that runs here, computed and held to ONNX
Runtime. What was found before is kept by the recipe's lock, its code and the network, so that a broken run
goes on. Without ``--slice`` all of it, into docs/proof/operators.md and `knows` and `lacks` of the recipes;
with it, N uses drawn by the seed are tried anew, and exit code 1 where a recipe says otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.operators.cases import Case, every
from bench.operators.net import SEED
from bench.operators.page import PROOF, into_recipe, page
from bench.operators.tried import Found, Way, afresh, kept, tried
from bench.operators.verdict import judged
from edgepack.catalog import recipes
from edgepack.catalog.recipes import Recipe
from edgepack.convert.state import lacks
from edgepack.tools.runner import command, run

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str]) -> int:
    """The page and the recipes, or a slice; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.operators")
    parser.add_argument("--slice", type=int, default=0, help="only so many uses of operators")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--recipe", action="append", default=[], help="only this recipe")
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one conversion")
    parser.add_argument("--kept", action="store_true", help="write what is known already, try nothing")
    asked = parser.parse_args(words)
    found = [way for way in ways() if way.recipe.id in (asked.recipe or [way.recipe.id])]
    if asked.slice:
        return held(found, asked.slice, asked.seed, asked.timeout)
    cases, verdicts = every(), []
    for way in found:
        known = kept(way, cases) if asked.kept else tried(way, cases, asked.timeout, _say)
        if known:
            there = [case for case in cases if case.id in known]
            verdicts.append(judged(way, there, known))
            into_recipe(verdicts[-1], way.recipe.folder / "recipe.yaml")
    if not asked.recipe:
        head = {
            "command": "make operators",
            "seed": str(SEED),
            "commit": run(command("git", "-C", ROOT, "rev-parse", "--short", "HEAD")).text().strip(),
            "date": datetime.now(UTC).date().isoformat(),
            "timeout": str(asked.timeout),
        }
        (ROOT / PROOF).write_text(page(verdicts, cases, head))
    return 0


def ways() -> list[Way]:
    """Recipes from ONNX that a package index gives, and that lack nothing on this host."""
    there = [r for r in recipes.load_all(None).values() if r.about.from_ == "onnx" and r.about.loads_on]
    able = [r for r in there if r.about.run == "python" and not lacks(r)]
    return [way for way in map(Way.of, able) if way]


def held(found: Sequence[Way], count: int, seed: int, timeout_s: int) -> int:
    """Draw uses of which the recipes say something, try them, and compare. Exit code 1 where one differs."""
    every_use = [(way, case) for way in found for case in every() if said(way.recipe, case) is not None]
    chosen = random.Random(seed).sample(every_use, min(count, len(every_use)))
    wrong = 0
    for way, case in chosen:
        has, result = said(way.recipe, case), afresh(way, case, timeout_s)
        fits = (result.state == "agrees") == has
        wrong += not fits
        mark = "as the recipe says" if fits else f"the recipe says it is {'had' if has else 'lacking'}"
        _say(f"{way.recipe.id:<18} {case.id}: {_shown(result)}: {mark}")
    return 1 if wrong else 0


def said(recipe: Recipe, case: Case) -> bool | None:
    """Whether the recipe has this use of the operator; None where it does not say."""
    about = recipe.about
    for lack in about.lacks:
        if lack.operator == case.operator and (not lack.when or lack.when == dict(case.when)):
            return False
    known = about.knows is not None and case.operator in about.knows.operators
    beyond = about.opsets is not None and case.opset > about.opsets.max
    # Where nothing tells a use from the operator's others, it can fail beside them: the page alone says that.
    told_apart = bool(case.when) or sum(other.operator == case.operator for other in every()) == 1
    return True if known and not beyond and told_apart else None


def _shown(result: Found) -> str:
    return f"{result.state} {result.words}".strip()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
