"""The emulated arm64 board with its power pulled: ``python -m bench.chaos.board [--trials N] [--seed S]``.

The emulator itself is killed in the middle of a deploy, with the host's caching off (the board's disk is
written past the host's page cache), and started again; tests/lab/board_story.py looks. Rows are kept.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.chaos import rows
from bench.chaos.trial import Row
from tests.lab import board_story
from tests.lab.board import Board
from tests.lab.project import HOST_TARGET, Project, build_releases
from tests.lab.site import OLD, Site

BLOW = "the board's power is pulled"
_STAGES = ("send", "stage", "prove", "switch", "health", "confirm")


class Uncached(Board):
    """Its disk is opened with O_DIRECT."""

    def _plain_disk(self) -> str:
        below = f"file.driver=file,file.cache.direct=on,file.filename={self._disk}"
        return f"driver=raw,node-name=disk,cache.direct=on,{below}"


def main(words: Sequence[str]) -> int:
    asks = argparse.ArgumentParser(prog="python -m bench.chaos.board")
    asks.add_argument("--trials", type=int, default=50, metavar="N")
    asks.add_argument("--seed", default="first")
    asked = asks.parse_args(words)
    kept = rows.file()
    done = {one.row.number for one in rows.load(kept) if (one.seed, one.row.box) == (asked.seed, "board")}
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="edgepack-chaos-board-") as scratch:
        releases = build_releases(Project(Path(scratch) / "digits"), ("aarch64", HOST_TARGET))
        board = Uncached(Path(scratch))
        board.boot()
        board.power_off()  # its first boot's writes are logged, through the host's cache
        board.boot()
        try:
            site = Site(board.endpoint(), releases, "aarch64")
            site.enter_fleet()
            site.deploy(OLD)
            for number in sorted(set(range(asked.trials)) - done):
                row = _trial(board, site, asked.seed, number)
                rows.add(kept, rows.Kept(asked.seed, rows.commit(), row))
                print(row, flush=True)
                wrong += bool(row.faults)
        finally:
            board.pull_power()
    return 1 if wrong else 0


def _trial(board: Board, site: Site, seed: str, number: int) -> Row:
    draw = random.Random(f"board/{seed}/{number}")
    stage, delay = _STAGES[number % len(_STAGES)], draw.random() * 2
    began = time.monotonic()
    pull = board_story.pull(board, site, stage, delay)
    return Row(
        number, "board", BLOW, f"{stage}, {delay:.1f} s into it", stage, False, "",
        {"old": "the old", "new": "the new"}.get(pull.current, pull.current), pull.code,
        round(pull.locked_s, 1), -1.0, round(time.monotonic() - began, 1), tuple(faults(pull)),
    )  # fmt: skip


def faults(pull: board_story.Pull) -> list[str]:
    """What of a pull breaks the promise."""
    said = []
    if pull.current not in ("old", "new"):
        said.append(f"the release is {pull.current}")
    if pull.code == 0 and pull.current != "new":
        said.append(f"the deploy had succeeded, and the release is {pull.current}")
    said += [f"{path} is wrong" for path in pull.damaged]
    if pull.proof != 0:
        said.append(f"the golden vectors ended with {pull.proof}")
    if pull.again not in ("deployed", "nothing to do", "started again"):
        said.append(f"the next deploy: {pull.again}")
    return said


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
