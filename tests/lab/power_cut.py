"""Every moment at which the plug of the arm64 board can be pulled: its disk after each single write.

The board does the whole way once while its disk's writes are recorded. Then for any of them the disk as it
was is made again, mounted, and looked at: which release its link points at, whether each byte of it is right,
what the next deploy makes of it. Each cut is judged for two disks: one that keeps what it was told in that
order, and one with a cache of its own that loses any part of what no flush followed.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgepack.box import script
from edgepack.tools.runner import command, run

from . import disk_log
from .board import Board
from .board_story import APP, bundle_sums
from .endpoint import DIES_WITH_US
from .site import NEW, OLD, Site

LOOK = str(Path(__file__).with_name("look-after-cut"))
IN_ORDER, CACHE_LOST = "in order", "cache lost"
DISKS = (IN_ORDER, CACHE_LOST)
WORKERS = 2
NONE = "none"  # no release
Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One command of the user's, in entries of the log. What follows it up to ``until`` is its too."""

    name: str
    before: str  # versions
    after: str
    began: int
    ended: int
    until: int


@dataclass(frozen=True)
class Recording:
    """``sums``: version → path → sha256; ``digests``: release digest → version."""

    pristine: Path
    log: Path
    steps: tuple[Step, ...]
    digests: Mapping[str, str]
    sums: Mapping[str, Mapping[str, str]]


class Recorder:
    """Notes where in the board's log each command begins and ends."""

    def __init__(self, board: Board, site: Site) -> None:
        self._board = board
        self._site = site
        self._noted: list[tuple[str, str, str, int, int]] = []

    def step(self, name: str, before: str, after: str, do: Callable[[], Any]) -> Any:
        """The command's answer."""
        began = self._board.disk_log.stat().st_size
        told = do()
        self._noted.append((name, before, after, began, self._board.disk_log.stat().st_size))
        return told

    def recording(self) -> Recording:
        """Of all that was noted until now."""
        ends = [entry.end for entry in disk_log.read(self._board.disk_log)]
        steps = [
            Step(name, before, after, _count(ends, began), _count(ends, ended), len(ends))
            for name, before, after, began, ended in self._noted
        ]
        steps = [replace(step, until=later.began) for step, later in itertools.pairwise(steps)] + steps[-1:]
        versions = (OLD, NEW)
        bundles = {version: self._site.releases.bundle(version, self._site.target) for version in versions}
        return Recording(
            self._board.pristine_disk,
            self._board.disk_log,
            tuple(steps),
            {self._site.digest(version): version for version in versions},
            {version: bundle_sums(bundle) for version, bundle in bundles.items()},
        )


def _count(ends: Sequence[int], size: int) -> int:
    """How many entries were whole when the log had this size."""
    return sum(end <= size for end in ends)


@dataclass(frozen=True)
class Point:
    """The plug pulled after the first ``at`` entries of the log."""

    at: int
    step: Step
    disk: str  # one of DISKS

    def __str__(self) -> str:
        return f"{self.at} of {self.step.name}, {self.disk}"


def points(recording: Recording) -> Sequence[Point]:
    """Every write of every step, for both disks, in order."""
    entries = disk_log.read(recording.log)
    return [
        Point(number + 1, step, disk)
        for step in recording.steps
        for number in range(step.began, step.until)
        if entries[number].length
        for disk in DISKS
    ]


def sample(recording: Recording, seed: str, each: int) -> Sequence[Point]:
    """For each step and disk one point out of each of ``each`` stretches of the same length."""
    rng = random.Random(seed)
    drawn = []
    everything = points(recording)
    for step in recording.steps:
        for disk in DISKS:
            of = [point for point in everything if point.step is step and point.disk == disk]
            bounds = [round(n * len(of) / each) for n in range(each + 1)]
            drawn += [of[rng.randrange(a, b)] for a, b in itertools.pairwise(bounds) if a < b]
    return sorted(drawn, key=lambda point: point.at)


@dataclass(frozen=True)
class State:
    """A release by its digest, the marks of a switch beside it, its files, and how its proof ended: with
    an exit status, or `known` where the same bytes were proven after an earlier cut.
    """

    current: str
    marks: frozenset[str]
    sums: Mapping[str, str]
    proof: str


@dataclass(frozen=True)
class Look:
    """What a cut left, and what the next deploy's first step made of it. ``made``: folders half-way."""

    found: State
    repaired: State
    made: tuple[str, ...]


@dataclass(frozen=True)
class Cut:
    """One point judged. ``faults`` is empty where what edgepack promises held."""

    point: Point
    found: str  # version, or NONE
    repaired: str
    half_way: str  # what lay half-way on the disk
    faults: tuple[str, ...]


def run_all(recording: Recording, chosen: Sequence[Point], seed: str, say: Say, lies: int = 0) -> list[Cut]:
    """Judge all chosen points (sorted), by a few at a time."""
    size = -(-len(chosen) // WORKERS) or 1
    parts = [chosen[n : n + size] for n in range(0, len(chosen), size)]
    with ThreadPoolExecutor(WORKERS) as pool:
        done = pool.map(lambda part: list(_run(recording, part, seed, say, lies)), parts)
        return [cut for part in done for cut in part]


def _run(recording: Recording, chosen: Sequence[Point], seed: str, say: Say, lies: int) -> Iterator[Cut]:
    with tempfile.TemporaryDirectory(prefix="edgepack-cut-") as scratch:
        folder = Path(scratch)
        box_script = folder / script.name()
        box_script.write_bytes(script.text())
        replay = disk_log.Replay(recording.pristine, recording.log, folder, lies)
        proven: set[str] = set()
        for number, point in enumerate(chosen, 1):
            disk = folder / "cut.img"
            if point.disk == IN_ORDER:
                replay.in_order(point.at, disk)
            else:
                replay.cache_lost(point.at, disk, random.Random(f"{seed} {point}"))
            cut = _judged(recording, point, disk, box_script, proven)
            for fault in cut.faults:
                say(f"FAULT after {point}: {fault}")
            if number % 100 == 0:
                say(f"{number} of {len(chosen)} cuts of this worker's")
            yield cut


def _judged(recording: Recording, point: Point, disk: Path, box_script: Path, proven: set[str]) -> Cut:
    """``proven``: digests of releases whose proof held with every byte right; grows."""
    inside = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private")
    look_at: tuple[str | Path, ...] = (
        LOOK,
        disk,
        disk.with_name("mounted"),
        box_script,
        APP,
        *sorted(proven),
    )
    done = run(command(*DIES_WITH_US, *inside, *look_at, timeout_s=180.0))
    if not done.ok:
        return Cut(point, "?", "?", "", (f"looking at it failed: {done.text()[-1500:]}",))
    look = parse(done.stdout.decode())
    cut = judge(recording, point, look)
    if not cut.faults and look.repaired.proof == "0":
        proven.add(look.repaired.current)
    return cut


def parse(said: str) -> Look:
    """What ``look-after-cut`` printed."""
    rows = [line.split() for line in said.splitlines()]

    def state(when: str) -> State:
        mine = [row[1:] for row in rows if row[0] == when]
        words = {row[0]: row[1] if len(row) > 1 else "" for row in mine}
        return State(
            Path(words["current"]).name,
            frozenset(row[1] for row in mine if row[0] == "mark"),
            {row[2].removeprefix("./"): row[1] for row in mine if row[0] == "sum"},
            words.get("proof", ""),
        )

    made = tuple(row[2] for row in rows if row[:2] == ["found", "made"])
    return Look(state("found"), state("repaired"), made)


def judge(recording: Recording, point: Point, look: Look) -> Cut:
    """The promises: the old release or the new one, whole; the new one for good once the command said so;
    and the next deploy goes back to the old one unless the new one was confirmed.
    """
    step = point.step
    found, repaired = (
        recording.digests.get(s.current, s.current or NONE) for s in (look.found, look.repaired)
    )
    faults = []
    for when, name, state in (("after the cut", found, look.found), ("repaired", repaired, look.repaired)):
        if name not in (step.before, step.after):
            faults.append(f"{when} the release is {name}, and was {step.before} or {step.after}")
        wrong = _wrong(state.sums, recording.sums.get(name, {}))
        faults += [f"{when} {path} of release {name} is wrong" for path in wrong]
        if point.at >= step.ended and name != step.after:
            faults.append(f"{when} it is {name}, and the command had ended with {step.after}")
    wanted = step.before if look.found.marks & {"unconfirmed", "going-back"} else found
    if repaired != wanted:
        faults.append(f"repaired it is {repaired} and not {wanted}; on the disk: {sorted(look.found.marks)}")
    if look.repaired.marks:
        faults.append(f"repaired, a switch is still half-way: {sorted(look.repaired.marks)}")
    if repaired != NONE and look.repaired.proof not in ("0", "known"):
        faults.append(f"repaired, the golden vectors ended with {look.repaired.proof or 'nothing'}")
    return Cut(point, found, repaired, _half_way(recording, step, found, look), tuple(faults))


def _wrong(sums: Mapping[str, str], wanted: Mapping[str, str]) -> Sequence[str]:
    return sorted(path for path in sums.keys() | wanted.keys() if sums.get(path) != wanted.get(path))


def _half_way(recording: Recording, step: Step, found: str, look: Look) -> str:
    """How far the command had come, as the disk tells it."""
    marks = look.found.marks
    for mark in ("going-back", "confirmed"):
        if mark in marks:
            return mark
    if "unconfirmed" in marks:
        return "switched, unconfirmed" if found == step.after else "about to switch"
    if found == step.after:
        return "done"
    if any(folder.startswith("incoming/") for folder in look.made):
        return "files coming in"
    if any(folder.rstrip("/").endswith(".tmp") for folder in look.made):
        return "staging"
    staged = {recording.digests.get(Path(folder).name) for folder in look.made}
    return "staged, being proven" if step.after in staged else "before all that"
