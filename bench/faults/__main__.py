"""Seeded faults beside as many healthy builds: ``python -m bench.faults [--slice N] [--seed S] [--also S]``.

Six mistakes that people make (channels swapped, the mean wrong by 255 times, outputs exchanged, NHWC fed as
NCHW, a calibration set of one class, a layer zeroed), on two networks and in three toolkits, at places drawn
by the seed. Each must be caught before anything is packaged, and called by its name; no healthy build may be
complained of. The table: docs/proof/faults.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.faults.project import ROOT, TOOLKITS, Case, Told, told
from edgepack.tools.runner import command, run

PAGE = ROOT / "docs" / "proof" / "faults.md"
# Digits are gray and have one output: there is no channel to swap, no layout to mistake, nothing to exchange.
FAULTS = {
    "digits": ("mean", "zero", "calibration"),
    "shapes": ("channels", "mean", "outputs", "nhwc", "calibration", "zero"),
}
CALLED = {
    "channels": ("pre", ("channels",)),
    "mean": ("pre", ("mean*255", "mean/255")),
    "nhwc": ("pre", ("nhwc", "nchw")),
    "outputs": ("model", ("output order", "outputs order", "output permuted")),
    "zero": ("model", ("dead layer",)),
    "calibration": ("model", ("calibration",)),
}
GOOD = ("caught", "passed")
VERDICTS = ("caught", "wrongly named", "missed", "passed", "false alarm")


@dataclass(frozen=True)
class Seen:
    """One case, what edgepack said of it, and what that is worth: one of VERDICTS."""

    case: Case
    said: Told
    result: str


def main(words: Sequence[str]) -> int:
    """The table, or a slice; exit code 1 where something was missed, or a healthy build complained of."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults")
    parser.add_argument("--slice", type=int, default=0, help="only so many cases, and no page")
    parser.add_argument("--seed", type=int, default=20261121, help="which places, and which slice")
    parser.add_argument("--also", type=int, nargs="*", default=[], help="more seeds, told in the page's head")
    asked = parser.parse_args(words)
    if asked.slice:
        return _bad(_slice(asked.slice, asked.seed))
    rounds: dict[int, list[Seen]] = {}
    for seed in (asked.seed, *asked.also):
        rounds[seed] = tried(cases(seed))
        PAGE.write_text(page(rounds, words))
    return max(map(_bad, rounds.values()))


def _slice(count: int, seed: int) -> list[Seen]:
    """A few cases, half of them faults: drawn by the seed, and said before they are tried."""
    began, draw, every = time.monotonic(), random.Random(seed), cases(seed)
    faulty = [case for case in every if case.fault]
    healthy = [case for case in every if not case.fault]
    chosen = [*draw.sample(faulty, count - count // 2), *draw.sample(healthy, count // 2)]
    print(f"a slice of {count} of {len(every)} cases, seed {seed}: {'; '.join(map(str, chosen))}", flush=True)
    shown = tried(chosen)
    again = f"python -m bench.faults --slice {count} --seed {seed}"
    print(f"{time.monotonic() - began:.0f} s; the same slice again: {again}")
    return shown


def _bad(shown: Sequence[Seen]) -> int:
    return int(any(row.result not in GOOD for row in shown))


def tried(chosen: Sequence[Case]) -> list[Seen]:
    """Each of them, and a line on it as soon as it is known."""
    shown = []
    with tempfile.TemporaryDirectory(prefix="edgepack-faults-") as temporary:
        for case in sorted(chosen, key=lambda c: (c.network, c.fault)):
            said = told(case, Path(temporary))
            row = Seen(case, said, verdict(case, said))
            shown.append(row)
            words = f"{said.stage} {said.cause} {said.warnings} {said.words}".strip()
            print(f"{row.result:<14} {case}  {words[: 160 if row.result in GOOD else 2000]}", flush=True)
    counts = Counter(row.result for row in shown)
    print(", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name]))
    return shown


def cases(seed: int) -> list[Case]:
    """Every fault in every toolkit, at a place of its own; and as many healthy builds, half in 8 bits."""
    draw = random.Random(seed)
    found = []
    for network, faults in FAULTS.items():
        for toolkit in TOOLKITS:
            for number, fault in enumerate(faults):
                precision = "int8" if fault == "calibration" else "fp32"
                found.append(Case(network, toolkit, fault, precision, draw.random()))
                found.append(Case(network, toolkit, "", ("fp32", "int8")[number % 2], draw.random()))
    return found


def verdict(case: Case, said: Told) -> str:
    """One of VERDICTS. A calibration set called one-sided is caught also where the gates still hold."""
    if not case.fault:
        return "false alarm" if said.failed or "one-sided" in said.warnings else "passed"
    stage, keys = CALLED[case.fault]
    warned = case.fault == "calibration" and "one-sided" in said.warnings
    if not said.failed and not warned:
        return "missed"
    plain = said.cause.removesuffix(" before").removesuffix(" std").removesuffix(" memory")
    named = plain in keys and said.stage == stage
    return "caught" if named or (warned and not said.cause) else "wrongly named"


def page(rounds: Mapping[int, Sequence[Seen]], words: Sequence[str]) -> str:
    """The first seed's table, as Markdown; of the others the sums, and what went wrong."""
    commit = run(command("git", "-C", ROOT, "rev-parse", "--short", "HEAD")).text().strip()
    day = datetime.now(UTC).date().isoformat()
    (seed, shown), *others = rounds.items()
    how = " ".join(("python -m bench.faults", *words))
    lines = [
        "# Seeded faults, and what edgepack said of each\n",
        f"Written by `{how}` at commit {commit}, {day}. Seed {seed}: {_sums(shown)}.",
        *(f"Seed {number}: {_sums(rows)}." for number, rows in others),
        "The places, classes and sizes are drawn by the seed. Each toolkit's own runtime computed the",
        "converted model on this host; nothing was packaged where a gate failed. Digits are gray and have",
        "one output, so three of the faults cannot be made there.\n",
        *_table(shown),
    ]
    for number, rows in others:
        wrong = [row for row in rows if row.result not in GOOD]
        if wrong:
            lines += [f"\n## What went wrong with seed {number}\n", *_table(wrong)]
    return "\n".join(lines) + "\n"


def _sums(shown: Sequence[Seen]) -> str:
    counts = Counter(row.result for row in shown)
    faulty = sum(bool(row.case.fault) for row in shown)
    sums = ", ".join(f"{counts[name]} {name}" for name in VERDICTS[:3])
    healthy = f"{counts['passed']} passed, {counts['false alarm']} false alarms"
    return f"{faulty} faults ({sums}) beside {len(shown) - faulty} healthy builds ({healthy})"


def _table(shown: Sequence[Seen]) -> list[str]:
    lines = [
        "| network | toolkit | precision | fault | verdict | stage | said |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in shown:
        case, said = row.case, row.said
        words = said.words if said.cause else said.warnings or (said.words if said.failed else "")
        words = words if case.fault or row.result not in GOOD else ""
        cells = (
            case.network,
            case.toolkit,
            case.precision,
            case.fault or "none",
            row.result,
            said.stage,
            words,
        )
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
