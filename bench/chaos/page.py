"""docs/proof/chaos.md, from what is kept: it says what was done, however much that is."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.chaos import mutant, plan, rows
from bench.chaos.releases import ROOT
from bench.chaos.rows import CutRow, Kept

PAGE = ROOT / "docs" / "proof" / "chaos.md"
HEAD = """# Deploys that are struck down

Written by `make chaos`, {day}, from what is kept of it by the box's script and edgepack's version; a campaign
that is stopped goes on. Seeds: {seeds}.

A box runs one release of `examples/digits`, and a client asks it all the while. A deploy of the next release
begins, and something strikes it: at the beginning of a step, as the box's own disk shows it, or at any
instant. Then the box has time to recover. A trial is right where

- the release that `current` names is the old one or the new one, and it, the one to go back to, and whatever
  else lies among the releases is whole, to the byte;
- a deploy that said it had succeeded is there, and one that is not right never is;
- that release's program runs, and no other; it answers, and what the trained model would; its golden vectors
  hold, run there by its own program;
- the next deploy succeeds, and leaves nothing of the broken one.

`sandbox` boxes are edgepack's own, behind the host's sshd or a server of its own. `debian` and `busybox`
boxes have a root of their own: OpenSSH with Debian's userland, dropbear with busybox's alone; their disk is a
tmpfs that can be made full at once. *Verified on hardware (this machine, x86_64).*
"""
UNDER_VERSIONS = """The oldest first. What was wrong is named below, and mended in a later one: see
[the plan](../design/ship-plan.md#5-the-campaign). The tables that follow are of all of them.
"""
UNDER_BLOWS = """Seconds are median / largest. `s to recover`: from the blow until the program of one release
answered. `s without`: the longest time without an answer that the client saw until then (a quiet switch has
one too). While a disk is full no question can be put on it either: those seconds are in it.
`the old`, `the new`, `none` (on a box that was empty) are what the box had recovered to.
"""
CUTS = """## The power cut, and what was not synced dropped

One first deploy, one update and one rollback on a box whose disk is recorded, write by write; then the disk
as it was after each write: with all that it was told (*in order*), and with any part lost, drawn by the seed,
of what no flush followed (*cache lost*). Judged as [the board's](plug-pulling.md).
"""


@dataclass(frozen=True)
class Version:
    """What is kept of one version of the box's script. ``key``: as rows.key has it."""

    key: str
    kept: Sequence[Kept]
    cuts: rows.Cuts | None

    @property
    def wrong(self) -> int:
        faulty = sum(bool(one.row.faults) for one in self.kept)
        return faulty + sum(bool(row.faults) for row in (self.cuts.rows if self.cuts else ()))


def page(versions: Sequence[Version], spoiled: Sequence[tuple[str, int, int, str]]) -> str:
    """``versions``: the oldest first. ``spoiled``: what was taken out, trials, wrong ones, a fault."""
    kept = [one for version in versions for one in version.kept if one.row.release != "void"]
    head = HEAD.format(
        day=datetime.now(UTC).date().isoformat(),
        seeds=", ".join(sorted({one.seed for one in kept})),
    )
    cuts = next((version.cuts for version in reversed(versions) if version.cuts), None)
    parts = (
        _versions(versions),
        _blows(kept),
        _steps(kept),
        _faults(versions),
        _cuts(cuts),
        _spoiled(spoiled),
    )
    return "\n".join([head, *(line for part in parts for line in part), ""])


def _versions(versions: Sequence[Version]) -> Iterable[str]:
    told = []
    for version in versions:
        real = [one for one in version.kept if one.row.release != "void"]
        cuts = version.cuts.rows if version.cuts else ()
        commits = {one.commit for one in real} | ({version.cuts.commit} if version.cuts else set())
        boards = sum(one.row.box == "board" for one in real)
        named = ", ".join(f"`{commit}`" for commit in sorted(commits))
        told.append((f"`{version.key}`", named, len(real) - boards, boards, len(cuts), version.wrong))
    sums = [sum(int(row[column]) for row in told) for column in (2, 3, 4, 5)]
    trials = f"{sums[0]} trials on x86 boxes, {sums[1]} on the board, {sums[2]} cuts of the power"
    yield f"**{trials}; {sums[3]} wrong.**\n"
    yield from table(("script", "commits", "x86 boxes", "board", "cuts", "wrong"), told)
    yield UNDER_VERSIONS


def _blows(kept: Sequence[Kept]) -> Iterable[str]:
    header = (
        "what struck",
        "boxes",
        "trials",
        "the old",
        "the new",
        "none",
        "wrong",
        "s to recover",
        "s without",
    )
    told = []
    for blow in (*plan.BLOWS, *plan.FULL, *plan.REFUSED):
        for box in ("sandbox", "debian", "busybox"):
            of = [one.row for one in kept if (one.row.blow, one.row.box) == (blow, box)]
            if not of:
                continue
            ends = Counter(row.release for row in of)
            wrong = sum(bool(row.faults) for row in of)
            gaps = [row.gap_s for row in of if row.gap_s >= 0]
            told.append(
                (blow, box, len(of), ends["the old"], ends["the new"], ends["none"], wrong,
                 _spread([row.recovered_s for row in of]), _spread(gaps))
            )  # fmt: skip
    yield from table(header, told)
    yield UNDER_BLOWS


def _steps(kept: Sequence[Kept]) -> Iterable[str]:
    """By what the disk showed when it was struck."""
    from bench.chaos.steps import STEPS

    yield "## Where it was struck\n"
    told = []
    for step in ("begun", *STEPS):
        of = [one.row for one in kept if one.row.reached == step]
        ends = Counter(row.release for row in of)
        wrong = sum(bool(row.faults) for row in of)
        told.append((step, len(of), ends["the old"], ends["the new"], ends["none"], wrong))
    yield from table(("the deploy was", "trials", "the old", "the new", "none", "wrong"), told)


def _faults(versions: Sequence[Version]) -> Iterable[str]:
    yield "## Faults\n"
    for version in versions:
        for one in version.kept:
            row = one.row
            if row.faults:
                where = (
                    f"`{version.key}`, {row.box} {row.number} of `{one.seed}`, {row.blow} at {row.reached}"
                )
                yield f"- {where}: {row.faults[0]}"
        cuts = [row for row in (version.cuts.rows if version.cuts else ()) if row.faults]
        if cuts:
            first = cuts[0]
            yield f"- `{version.key}`, {len(cuts)} cuts, {first.step}, {first.half_way}: {first.faults[0]}"
    yield "" if any(version.wrong for version in versions) else "None.\n"


def _cuts(cuts: rows.Cuts | None) -> Iterable[str]:
    if cuts is None:
        return
    wrong = sum(bool(row.faults) for row in cuts.rows)
    yield CUTS
    drawn = f"drawn by `{cuts.seed}` (`bench/chaos/cuts.py`)"
    yield f"The newest: **{len(cuts.rows)} cuts, {wrong} wrong**, {drawn}.\n"
    yield from table(
        ("step", "half-way on the disk", "release there", "after the next lock", "cuts", "wrong"),
        _by(cuts.rows),
    )


def _by(cuts: Sequence[CutRow]) -> Iterable[Sequence[object]]:
    groups: dict[tuple[str, ...], list[CutRow]] = {}
    for row in cuts:
        groups.setdefault((row.step, row.half_way, row.found, row.repaired), []).append(row)
    for group, of in groups.items():
        yield (*group, len(of), sum(bool(row.faults) for row in of))


def _spoiled(spoiled: Sequence[tuple[str, int, int, str]]) -> Iterable[str]:
    yield "## What the judge sees where something is taken out\n"
    yield "The same campaign with the box's script spoiled (`bench/chaos/mutant.py`):\n"
    words = {
        "no-sync": "nothing is synced", "no-rename": "files and links are made in their place, not renamed",
        "no-verify": "neither digests nor golden vectors decide",
    }  # fmt: skip
    told = [(words[name], count, wrong, fault) for name, count, wrong, fault in spoiled]
    yield from table(("taken out", "trials", "wrong", "for instance"), told)


def spoiled() -> list[tuple[str, int, int, str]]:
    """From what is kept of each mutant, of the newest script that it was taken out of: kills and cuts."""
    told = []
    for name in mutant.MUTANTS:
        files = sorted(rows.file().parent.glob(f"*-{name}.*"), key=lambda path: path.stat().st_mtime)
        file = files[-1].with_name(files[-1].name.partition(".")[0] + ".jsonl") if files else rows.file(name)
        cuts = rows.load_cuts(file)
        faults = [one.row.faults for one in rows.load(file)] + [
            row.faults for row in (cuts.rows if cuts else ())
        ]
        wrong = [fault for fault in faults if fault]
        told.append((name, len(faults), len(wrong), wrong[0][0] if wrong else ""))
    return told


def table(header: Sequence[str], of: Iterable[Sequence[object]]) -> list[str]:
    """Markdown, with an empty line at the end."""
    lines = [header, ["---"] * len(header), *([str(cell).replace("|", "/") for cell in row] for row in of)]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.1f} / {max(seconds):.1f}" if seconds else ""


def main() -> int:
    versions = [Version(file.stem, rows.load(file), rows.load_cuts(file)) for file in rows.versions()]
    red = spoiled()
    PAGE.write_text(page(versions, red).rstrip() + "\n")
    wrong = sum(version.wrong for version in versions if version.key == rows.key())
    blind = [name for name, _, found, _ in red if not found]
    print(f"{PAGE}: {wrong} wrong; of what was taken out, not found: {', '.join(blind) or 'nothing'}")
    return 1 if wrong or blind else 0


if __name__ == "__main__":
    sys.exit(main())
