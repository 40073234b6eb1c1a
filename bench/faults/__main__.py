"""Seeded faults beside as many healthy builds: ``python -m bench.faults [--slice N] [--seed S]``.

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
from collections import Counter
from collections.abc import Sequence
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
VERDICTS = ("caught", "wrongly named", "missed", "passed", "false alarm")


def main(words: Sequence[str]) -> int:
    """The table, or a slice; exit code 1 where something was missed, or a healthy build complained of."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults")
    parser.add_argument("--slice", type=int, default=0, help="only so many cases")
    parser.add_argument("--seed", type=int, default=20261121, help="which places, and which slice")
    asked = parser.parse_args(words)
    every = cases(asked.seed)
    chosen = random.Random(asked.seed).sample(every, asked.slice) if asked.slice else every
    if asked.slice:
        names = "; ".join(map(str, chosen))
        print(f"a slice of {len(chosen)} of {len(every)} cases, seed {asked.seed}: {names}")
    shown = []
    with tempfile.TemporaryDirectory(prefix="edgepack-faults-") as temporary:
        for case in sorted(chosen, key=lambda c: (c.network, c.fault)):
            said = told(case, Path(temporary))
            shown.append((case, said, verdict(case, said)))
            print(f"{shown[-1][2]:<14} {case}  {said.stage} {said.cause} {said.words[:160]}", flush=True)
    counts = Counter(result for _, _, result in shown)
    print(", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name]))
    if not asked.slice:
        PAGE.write_text(page(shown, f"python -m bench.faults --seed {asked.seed}"))
    return 1 if counts["missed"] or counts["false alarm"] or counts["wrongly named"] else 0


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
        return "false alarm" if said.failed else "passed"
    stage, keys = CALLED[case.fault]
    warned = case.fault == "calibration" and "one-sided" in said.warnings
    if not said.failed and not warned:
        return "missed"
    plain = said.cause.removesuffix(" before").removesuffix(" std").removesuffix(" memory")
    named = plain in keys and said.stage == stage
    return "caught" if named or (warned and not said.cause) else "wrongly named"


def page(shown: Sequence[tuple[Case, Told, str]], how: str) -> str:
    """The table, as Markdown."""
    commit = run(command("git", "-C", ROOT, "rev-parse", "--short", "HEAD")).text().strip()
    counts = Counter(result for _, _, result in shown)
    faulty = sum(bool(case.fault) for case, _, _ in shown)
    day = datetime.now(UTC).date().isoformat()
    sums = ", ".join(f"{counts[name]} {name}" for name in VERDICTS[:3])
    healthy = f"{counts['passed']} passed, {counts['false alarm']} false alarms"
    lines = [
        "# Seeded faults, and what edgepack said of each\n",
        f"Written by `{how}` at commit {commit}, {day}: {faulty} faults ({sums}) beside",
        f"{len(shown) - faulty} healthy builds ({healthy}). The places are drawn by the seed. Each",
        "toolkit's own runtime computed the converted model on this host; nothing was packaged where a gate",
        "failed. Digits are gray and have one output, so three of the faults cannot be made there.\n",
        "| network | toolkit | precision | fault | verdict | stage | said |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, said, result in shown:
        words = said.words if case.fault and said.cause else said.warnings if case.fault else ""
        cells = (case.network, case.toolkit, case.precision, case.fault or "none", result, said.stage, words)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
