"""Pull the board's plug after every write and write down what came of it: ``docs/proof/plug-pulling.md``.

    make plug-pulling        # root; what it needs is installed by tests/lab/setup

Fails, after writing the page, where one cut left what edgepack promises it cannot.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from . import board_story, power_cut, seed, whole_way
from .board import Board
from .board_story import Machine
from .page import PROOF, commit, table
from .power_cut import DISKS, Cut, Recording
from .project import HOST_TARGET, Project, build_releases
from .site import Site

PAGE = PROOF / "plug-pulling.md"
COMMAND = "make plug-pulling"
LIES = 12


@dataclass(frozen=True)
class Campaign:
    """Everything that the page shows. ``lying``: the cuts of a disk that does not do what it says."""

    machine: Machine
    recording: Recording
    drawn_by: str
    cuts: Sequence[Cut]
    lying: Sequence[Cut]
    seconds: float


def campaign(folder: Path) -> Campaign:
    """Record the whole way on a fresh board, then cut after each of its writes."""
    began = time.monotonic()
    _say("building examples/digits twice, for aarch64 and for this host")
    releases = build_releases(Project(folder / "digits"), ("aarch64", HOST_TARGET))
    board = Board(folder)
    try:
        _say("the whole way on the board, recorded")
        machine = board_story.machine(board, board.boot())
        site = Site(board.endpoint(), releases, "aarch64")
        site.enter_fleet()
        recording = whole_way.done(board, site).recording
    finally:
        board.pull_power()
    drawn_by = seed.of_this_run()
    everything = power_cut.points(recording)
    _say(f"{len(everything)} cuts, drawn by {seed.VARIABLE}={drawn_by}")
    cuts = power_cut.run_all(recording, everything, drawn_by, _say)
    ends = [power_cut.Point(step.ended, step, power_cut.CACHE_LOST) for step in recording.steps]
    lying = power_cut.run_all(recording, ends, drawn_by, lambda _: None, LIES)
    return Campaign(machine, recording, drawn_by, cuts, lying, time.monotonic() - began)


def page(told: Campaign) -> str:
    """The campaign in Markdown."""
    faulty = [cut for cut in told.cuts if cut.faults]
    return "\n".join(
        (
            *_head(told, len(faulty)),
            *_counts(told),
            "## Faults",
            "",
            *([f"- after {cut.point}: {'; '.join(cut.faults)}" for cut in faulty] or ["None."]),
            "",
            *_control(told),
        )
    )


def _head(told: Campaign, faulty: int) -> Sequence[str]:
    return (
        "# The plug pulled after every write",
        "",
        f"Written by `{COMMAND}`; run it again to write it again. *Verified on emulator or simulator*",
        f"*({told.machine.emulator})*.",
        "",
        "The board is deployed to, updated and rolled back once, while every write to its disk is recorded.",
        "Then for each write the disk is made anew as a power cut right after it leaves it: once with all",
        "that it was told until then (*in order*), once as a disk with a cache of its own that lost any",
        "part, drawn by the seed, of what no flush followed (*cache lost*). Each is mounted, so that ext4",
        "replays its journal, and looked at; then the first step of the next deploy runs on it, which undoes",
        "or finishes what was half-way, and the golden vectors go through the release there, by qemu-user",
        "(once for the same bytes).",
        "",
        "A cut is right where the release is the old one or the new one with every byte right, before and",
        "after that step; the new one from the moment the command said so; the old one again where nobody",
        "had confirmed; and its golden vectors hold. CI does a slice of these cuts, drawn by the commit.",
        "",
        *table(
            ("", ""),
            (
                ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
                ("commit", commit(PAGE)),
                ("seed", f"`{seed.VARIABLE}={told.drawn_by}`"),
                ("board", f"{told.machine.system}, `{told.machine.uname}`"),
                ("cuts", str(len(told.cuts))),
                ("**wrong**", f"**{faulty}**"),
                ("this whole page", f"{told.seconds:.0f} s, building included"),
            ),
        ),
    )


def _counts(told: Campaign) -> Sequence[str]:
    lines: list[str] = []
    for step in told.recording.steps:
        of = [cut for cut in told.cuts if cut.point.step is step]
        kinds = Counter((cut.half_way, cut.found, cut.repaired) for cut in of)
        rows = []
        for kind in sorted(kinds, key=lambda kind: _first(of, kind)):
            same = [cut for cut in of if (cut.half_way, cut.found, cut.repaired) == kind]
            by_disk = [str(sum(cut.point.disk == disk for cut in same)) for disk in DISKS]
            rows.append((*kind, *by_disk, str(sum(bool(cut.faults) for cut in same))))
        header = ("half-way on the disk", "release there", "after the next deploy's first step", *DISKS)
        lines += [f"## {step.name}: {step.before} to {step.after}", "", *table((*header, "wrong"), rows)]
    return lines


def _first(cuts: Sequence[Cut], kind: tuple[str, str, str]) -> int:
    """Where in the log this kind of cut comes first."""
    return min(cut.point.at for cut in cuts if (cut.half_way, cut.found, cut.repaired) == kind)


def _control(told: Campaign) -> Sequence[str]:
    rows = [(cut.point.step.name, "; ".join(cut.faults) or "nothing") for cut in told.lying]
    return (
        "## A disk that lies",
        "",
        f"The same judge on a disk that said yes to its last {LIES} flushes and did not do them, right after",
        "each command had ended. No program can hold its promise there, so faults must be seen:",
        "",
        *table(("cut right after", "what was seen"), rows),
    )


def _say(line: str) -> None:
    print(f"plug-pulling: {line}", file=sys.stderr, flush=True)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="edgepack-plug-") as scratch:
        told = campaign(Path(scratch))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(told).rstrip() + "\n")
    print(PAGE)
    wrong = sum(bool(cut.faults) for cut in told.cuts)
    blind = not any(cut.faults for cut in told.lying)
    if wrong or blind:
        _say(f"{wrong} cuts are wrong" if wrong else "the disk that lies was not found out")
    return 1 if wrong or blind else 0


if __name__ == "__main__":
    sys.exit(main())
