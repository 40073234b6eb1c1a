"""Every target × recipe × precision on this host: ``python -m bench.recipes [--slice N] [--seed S]``.

Each recipe converts a trained network in each precision for each chip that it names, and where a simulator
or the tool's own runtime is here, that computes the network's own inputs: the least cosine of all outputs
and samples against ONNX Runtime in fp32, the size of the files, seconds, and the most memory that the
converter had. Two networks: LeNet-5 (recipes/onnx/check) and examples/shapes, a detector with three heads.

Without ``--slice`` what was not measured yet, into docs/proof/recipes.json after each case, and the page
from that; ``--stale``: then also what was measured with another recipe, kit or network, and what failed.
``--seconds`` ends after so many; it goes on where it was. With ``--slice``, N cases drawn by the seed are
measured anew, and the exit code is 1 where one does not hold. What a vendor's SDK must do is *by contract
only* here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.recipes import record
from bench.recipes.networks import NAMES, networks
from bench.recipes.page import NOT_YET, PAGE, page
from bench.recipes.record import Record
from bench.recipes.rows import Row, drawn, in_turn, rows
from edgepack.catalog import recipes
from edgepack.catalog.recipes import Recipe
from edgepack.convert import check
from edgepack.convert.check import Bench, Shown
from edgepack.convert.state import lacks
from edgepack.plan.chain import PREPARE
from edgepack.tools.runner import command, run


@dataclass
class Place:
    """Where it is measured: the recipes, a folder for what is made, and the networks, once one is wanted."""

    known: Mapping[str, Recipe]
    temporary: Path
    networks: dict[str, Path] = field(default_factory=dict)

    def shown(self, row: Row) -> Shown:
        """Measured now."""
        prepare = self.known[PREPARE]
        self.networks = self.networks or networks(prepare, self.temporary)
        bench = Bench(prepare, self.temporary / "log", lambda _line: None, {}, self.networks[row.network])
        return check.check(row.recipe, row.case, bench)

    def digest(self, row: Row) -> str:
        return record.digest(row.recipe, self.known[PREPARE], row.network)


def main(words: Sequence[str]) -> int:
    """What is not measured yet, or a slice; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.recipes")
    parser.add_argument("--slice", type=int, default=0, help="only so many cases, kept nowhere")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--recipe", action="append", default=[], help="only this recipe")
    parser.add_argument("--network", choices=NAMES, help="only this one")
    parser.add_argument(
        "--stale", action="store_true", help="also what is of an older recipe, and what failed"
    )
    parser.add_argument("--seconds", type=int, default=0, help="measure no further case after so many")
    parser.add_argument("--page", action="store_true", help="write the page, measure nothing")
    asked = parser.parse_args(words)
    known = recipes.load_all(None)
    every = list(rows(known))
    chosen = [
        row
        for row in every
        if row.recipe.id in (asked.recipe or [row.recipe.id])
        and row.network in (asked.network or row.network)
    ]
    with tempfile.TemporaryDirectory(prefix="edgepack-recipes-") as temporary:
        place = Place(known, Path(temporary))
        if asked.slice:
            return _slice(drawn(chosen, asked.slice, asked.seed), len(chosen), asked.seed, place)
        if not asked.page:
            _measure(chosen, place, stale=asked.stale, seconds=asked.seconds)
        kept = record.load()
        PAGE.write_text(page(every, kept, place.digest))
    failed = [row for row in chosen if row.key in kept and kept[row.key].state == "failed"]
    missing = sum(row.key not in kept and not lacks(row.recipe) for row in every)
    print(f"{PAGE.name}: {len(every)} cases, {missing} {NOT_YET}, {len(failed)} of the chosen failed")
    return 1 if any(not row.is_refused for row in failed) else 0


def _slice(chosen: Sequence[Row], of: int, seed: int, place: Place) -> int:
    names = "; ".join(f"{row.recipe.id} {row.case} ({row.network})" for row in chosen)
    print(f"a slice of {len(chosen)} of {of} cases, seed {seed}: {names}", flush=True)
    failed = 0
    for row in chosen:
        shown = place.shown(row)
        failed += shown.state == "failed"
        print(_line(row, shown), flush=True)
    return 1 if failed else 0


def _measure(chosen: Sequence[Row], place: Place, *, stale: bool, seconds: int) -> None:
    """First what has no row, then what is stale. Each is kept at once."""
    began, kept = time.monotonic(), record.load()
    able = in_turn([row for row in chosen if not lacks(row.recipe)])
    wanted = [row for row in able if row.key not in kept]
    if stale:
        wanted += [row for row in able if row.key in kept and _is_stale(row, kept[row.key], place)]
    for number, row in enumerate(wanted):
        if 0 < seconds < time.monotonic() - began:
            print(f"{len(wanted) - number} are left for another time")
            break
        of, commit = place.digest(row), _commit()
        shown = place.shown(row)
        date = datetime.now(UTC).date().isoformat()
        # Read anew: another may have measured meanwhile.
        kept = {**record.load(), row.key: Record.made(shown, commit, date, of)}
        record.save(kept)
        print(_line(row, shown), flush=True)


def _is_stale(row: Row, kept: Record, place: Place) -> bool:
    return kept.of != place.digest(row) or (kept.state == "failed" and not row.is_refused)


def _commit() -> str:
    return run(command("git", "-C", PAGE.parent, "rev-parse", "--short=7", "HEAD")).text().strip()


def _line(row: Row, result: Shown) -> str:
    numbers = f"cosine {result.cosine:.6f}, " if result.cosine is not None else ""
    made = f"{result.bytes / 1e3:,.0f} kB, {result.seconds:.1f} s, {result.peak_mb} MB"
    size = made if result.bytes else ""
    return (
        f"{row.recipe.id:<18} {row.case!s:<24} {row.network:<7} {result.state} {numbers}{size} {result.why}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
