"""Do the whole way on the emulated arm64 board and write down what came of it: ``docs/proof/arm64-board.md``.

    make show-board          # root; what it needs is installed by tests/lab/setup

The page says "verified on emulator" and no more than that: nothing in it ran on a board one can touch.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from . import board_story, whole_way
from .board import Board
from .board_story import Answers, Machine, Pull
from .page import PROOF, commit, table, verbatim
from .project import DIGITS, HOST_TARGET, Project, build_releases
from .site import NEW, OLD, Site
from .whole_way import WholeWay

PAGE = PROOF / "arm64-board.md"
COMMAND = "make show-board"


@dataclass(frozen=True)
class Record:
    """Everything that the page shows."""

    machine: Machine
    way: WholeWay
    status: str  # `edgepack status`, as a user sees it after the rollback
    refusal: str
    pulls: tuple[Pull, ...]
    seconds: float


def record(folder: Path, say: Callable[[str], None]) -> Record:
    """The story on a fresh board, a few minutes long; ``say`` hears what it is at."""
    began = time.monotonic()
    say("building examples/digits twice, for aarch64 and for this host")
    releases = build_releases(Project(folder / "digits"), ("aarch64", HOST_TARGET))
    board = Board(folder)
    try:
        say("booting the board")
        machine = board_story.machine(board, board.boot())
        site = Site(board.endpoint(), releases, "aarch64")
        site.enter_fleet()
        say(f"deploying {OLD}, asking with every held-out image, deploying {NEW}, and going back")
        way = whole_way.done(board, site)
        status = site.project.run("status").stdout.decode()
        refusal = site.project.run("deploy", "box-01", "--bundle", releases.bundle(NEW, HOST_TARGET)).text()
        site.answers(OLD)
        pulls = tuple(_pulled(board, site, say))
    finally:
        board.pull_power()
    seconds = time.monotonic() - began
    return Record(machine, way, status, refusal, pulls, seconds)


def _pulled(board: Board, site: Site, say: Callable[[str], None]) -> Iterable[Pull]:
    for stage, delay_s in board_story.PULLS:
        say(f"pulling the plug {delay_s} s into `{stage}`")
        yield board_story.pull(board, site, stage, delay_s)


def page(told: Record) -> str:
    """The record in Markdown."""
    return "\n".join(
        (
            *_head(told),
            *_deploys(told),
            *_held_out(told.way.answers, told.way.first["proof"]["gates"]),
            *_refusal(told),
            *_pulls(told.pulls),
        )
    )


def _head(told: Record) -> Sequence[str]:
    training = json.loads((DIGITS / "data/train-report.json").read_text())
    seeds = ", ".join(f"{name} {seed}" for name, seed in training["seeds"].items())
    return (
        "# The whole way on an arm64 board, emulated whole",
        "",
        f"Written by `{COMMAND}`; run it again to write it again. *Verified on emulator or simulator*",
        f"*({told.machine.emulator})*: a machine with its own kernel, disk, accounts and OpenSSH server.",
        "",
        *table(
            ("", ""),
            (
                ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
                ("commit", commit(PAGE)),
                ("model", f"`examples/digits/model/lenet.onnx`, trained with seeds {seeds}"),
                ("board", f"{told.machine.system}, `{told.machine.uname}`"),
                ("boot to SSH", f"{told.machine.boot_s:.1f} s"),
                ("the host", f"{os.cpu_count()} cores, load average {os.getloadavg()[2]:.1f}"),
                ("this whole page", f"{told.seconds:.0f} s, building included"),
            ),
        ),
    )


def _deploys(told: Record) -> Sequence[str]:
    reports = (("first deploy", told.way.first), ("update", told.way.second), ("rollback", told.way.back))
    rows = [
        (
            name, report["version"], f"`{report['release'][:12]}`",
            f"{report['bytes_sent'] / 1e6:.2f} MB",
            f"{sum(report['seconds'].values()):.1f}", report["proof_summary"],
        )
        for name, report in reports
    ]  # fmt: skip
    stages = list(told.way.first["seconds"])
    seconds = [
        (name, *(f"{report['seconds'][stage]:.1f}" if stage in report["seconds"] else "" for stage in stages))
        for name, report in reports
    ]
    return (
        "## Deploy, update, rollback",
        "",
        *table(("", "version", "release", "sent", "seconds", "proven on the board before the switch"), rows),
        "Seconds by stage:",
        "",
        *table(("", *stages), seconds),
        "`edgepack status` after the rollback:",
        "",
        *verbatim(told.status),
    )


def _held_out(told: Answers, gates: Any) -> Sequence[str]:
    live = told.live
    rows = []
    for label in range(10):
        of = live.labels == label
        rows.append(
            (
                str(label),
                str(of.sum()),
                str((of & (told.classes == label)).sum()),
                str((of & (live.classes == label)).sum()),
                f"{(of & (told.classes == live.classes)).sum()} of {of.sum()}",
            )
        )
    same = int((told.classes == live.classes).sum())
    allowed = told.allowed_difference(gates["max_abs"])
    return (
        "## Every held-out image, beside ONNX Runtime run meanwhile on the trained file",
        "",
        *table(("digit", "images", "right, board", "right, ONNX Runtime", "same answer"), rows),
        f"- the same class on {same} of {len(live.files)} images",
        f"- accuracy {live.accuracy(told.classes):.2%}, ONNX Runtime {live.accuracy(live.classes):.2%}",
        f"- largest difference of any logit {told.largest_difference():.2e}; the gate allows {allowed:.2e}",
        f"- smallest cosine of an image's logits {told.smallest_cosine():.9f}; the gate is {gates['cosine']}",
        f"- asked through the running release's inbox, {told.asking_s:.1f} s for {len(live.files)} images",
        "",
    )


def _refusal(told: Record) -> Sequence[str]:
    return (
        f"## A program built for {HOST_TARGET}",
        "",
        "is refused, and the old release goes on answering:",
        "",
        *verbatim(told.refusal),
    )


def _pulls(pulls: Sequence[Pull]) -> Sequence[str]:
    rows = [
        (
            pull.stage, f"{pull.delay_s:.1f} s", str(pull.code), f"the {pull.current}",
            ", ".join(pull.damaged) or "every byte right",
            "hold" if pull.proof == 0 else f"exit {pull.proof}",
            f"{pull.again}, after {pull.locked_s:.0f} s",
        )
        for pull in pulls
    ]  # fmt: skip
    return (
        "## The plug pulled in the middle of a deploy",
        "",
        "The emulator is ended; what the board had not written to its disk is gone. Then it is booted again.",
        "Nothing starts the program with the board yet: looked at is the release that would be started.",
        "",
        *table(
            (
                "stage",
                "into it",
                "exit",
                "release there",
                "its files",
                "its golden vectors",
                "deployed again",
            ),
            rows,
        ),
    )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edgepack-board-") as scratch:
        told = record(Path(scratch), lambda line: print(f"board: {line}", file=sys.stderr, flush=True))
    np.testing.assert_array_equal(told.way.answers.classes, told.way.answers.live.classes)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(told).rstrip() + "\n")
    print(PAGE)
    broken = [pull for pull in told.pulls if pull.current not in ("old", "new") or pull.damaged or pull.proof]
    if broken:
        sys.exit(f"a pulled plug left what it must not: {broken}")


if __name__ == "__main__":
    main()
