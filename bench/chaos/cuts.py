"""A light box's power cut after each write, what was not synced dropped: ``python -m bench.chaos.cuts``.

One first deploy, one update and one rollback are recorded on a box of this host's own kind; then its disk is
made again as it was after any write, in order and with a lost cache, and judged as the board's is
(tests/lab/power_cut.py). Runs itself in a mount namespace of its own; needs root.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.chaos import boxes, releases, rows
from bench.chaos.link import Link
from bench.chaos.recorded import RecordedDisk
from bench.chaos.site import Site, ended
from tests.lab import disk_log, power_cut
from tests.lab.power_cut import NONE, Cut, Recording, Step

_INSIDE = "EDGEPACK_CHAOS_INSIDE"
_WAY = "--whole-files"  # the box's script does all the syncing here, so that it can be taken out


def recorded(folder: Path, mutant: str, way: Sequence[str]) -> Recording:
    """The three commands, on a sandbox whose home is a recorded disk."""
    built = releases.built()
    releases.copied(folder)
    box = boxes.Sandbox(folder, "cut")
    link = Link(box.reach.port)
    disk = RecordedDisk(folder, box.root.parent)
    try:
        site = Site(box, link, folder, "box", built, mutant)
        site.enter_fleet()
        old, new = built[0].version, built[1].version
        noted = []
        steps: list[tuple[str, str, str, Callable[[], int]]] = [
            ("first deploy", NONE, old, lambda: site.deploy(built[0], *way)),
            ("update", old, new, lambda: site.deploy(built[1], *way)),
            ("rollback", new, old, lambda: ended(site.rollback())),
        ]
        for name, before, after, do in steps:
            began = disk.size()
            if code := do():
                raise RuntimeError(f"{name} ended with {code}: {(folder / 'deploy.log').read_text()[-500:]}")
            noted.append((name, before, after, began, disk.size()))
    finally:
        link.close()
        boxes.kill(box, *boxes.KINDS)
        disk.stop()
        box.down()
    return _recording(disk, noted, built)


def _recording(
    disk: RecordedDisk, noted: Sequence[tuple[str, str, str, int, int]], built: Sequence[releases.Release]
) -> Recording:
    ends = [entry.end for entry in disk_log.read(disk.log)]

    def count(size: int) -> int:
        return sum(end <= size for end in ends)

    starts = [count(began) for _, _, _, began, _ in noted] + [len(ends)]
    steps = tuple(
        Step(name, before, after, count(began), count(ended), until)
        for (name, before, after, began, ended), until in zip(noted, starts[1:], strict=True)
    )
    pair = built[:2]
    return Recording(
        disk.pristine, disk.log, steps, {one.digest: one.version for one in pair},
        {one.version: one.sums for one in pair},
    )  # fmt: skip


def judged(recording: Recording, seed: str, each: int) -> list[Cut]:
    """``each``: points of each step and disk, drawn by the seed; 0: all."""
    os.environ.update(CUT_EMULATOR="", CUT_ROOT="edgepack")
    chosen = power_cut.sample(recording, seed, each) if each else power_cut.points(recording)
    return power_cut.run_all(recording, chosen, seed, lambda line: print(line, flush=True))


def _row(cut: Cut) -> rows.CutRow:
    point = cut.point
    return rows.CutRow(point.step.name, point.disk, cut.half_way, cut.found, cut.repaired, cut.faults[:1])


def main(words: Sequence[str]) -> int:
    if not os.environ.get(_INSIDE):
        inside = ("unshare", "--mount", "--propagation=private", sys.executable, "-m", "bench.chaos.cuts")
        os.execvpe(inside[0], [*inside, *words], {**os.environ, _INSIDE: "1"})
    asks = argparse.ArgumentParser(prog="python -m bench.chaos.cuts")
    asks.add_argument("--seed", default="", help="what draws them; else the commit")
    asks.add_argument("--each", type=int, default=0, metavar="N", help="points of each step and disk (all)")
    asks.add_argument("--mutant", default="")
    asks.add_argument("--keep", action="store_true", help="for the table")
    asked = asks.parse_args(words)
    # A campaign goes on with what it began; a slice is another one with each commit.
    seed = asked.seed or (rows.commit() if asked.each and not asked.keep else "none")
    with tempfile.TemporaryDirectory(prefix="edgepack-chaos-cuts-") as scratch:
        recording = recorded(Path(scratch) / "box", asked.mutant, (_WAY,) if asked.mutant else ())
        cuts = judged(recording, seed, asked.each)
    wrong = [cut for cut in cuts if cut.faults]
    print(f"{len(cuts)} cuts, drawn by {seed}, {len(wrong)} wrong", flush=True)
    if asked.keep:
        rows.keep_cuts(rows.file(asked.mutant), seed, [_row(cut) for cut in cuts])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
