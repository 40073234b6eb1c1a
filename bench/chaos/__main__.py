"""Deploys that are struck down: ``python -m bench.chaos [--trials N] [--slice N] [--seed S] [--boxes N]``.

After each blow the box must run the old release or the new one, whole and proven, and take the next deploy.
The table: docs/proof/chaos.md. Rows are kept by the box's script and edgepack's version: a campaign that is
stopped goes on. ``--slice``: so many trials drawn by the seed, nothing kept, exit 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.chaos import plan, releases, rows
from bench.chaos.host import Stalls, watched
from bench.chaos.plan import Trial
from bench.chaos.site import Site, site_of
from bench.chaos.trial import Row, run
from edgepack.errors import EdgepackError

_AGAIN = 3  # times that a trial is tried while this host's disk stands still


def main(words: Sequence[str]) -> int:
    asked = _arguments(words)
    seed = asked.seed or rows.commit()
    built = releases.built()
    if asked.slice:
        return _slice(built, seed, asked)
    kept = rows.file(asked.mutant)
    done = {one.row.number for one in rows.load(kept) if (one.seed, one.row.box) == (seed, asked.kind)}
    todo = [plan.trial(asked.kind, seed, n) for n in range(asked.trials) if n not in done]
    todo = [trial for trial in todo if re.search(asked.only, f"{trial.blow} at {trial.step}")]
    print(f"{len(done)} of {asked.trials} trials are kept in {kept}; seed {seed}", flush=True)
    wrong = _campaign(built, todo, asked, lambda row: rows.add(kept, rows.Kept(seed, rows.commit(), row)))
    return 1 if wrong else 0


def _slice(built: Sequence[releases.Release], seed: str, asked: argparse.Namespace) -> int:
    count = asked.slice
    numbers = sorted(random.Random(seed).sample(range(2000), count))
    print(f"{count} trials, drawn by {seed}", flush=True)
    wrong = _campaign(built, [plan.trial(asked.kind, seed, n) for n in numbers], asked, lambda _: None)
    print(f"{count} trials, {wrong} wrong")
    return 1 if wrong else 0


def _campaign(
    built: Sequence[releases.Release],
    trials: Sequence[Trial],
    asked: argparse.Namespace,
    keep: Callable[[Row], None],
) -> int:
    """All trials on so many boxes at once; how many were wrong."""
    left = iter(trials)
    lock = threading.Lock()
    wrong = 0
    failed: list[BaseException] = []

    def work(name: str, folder: Path) -> None:
        nonlocal wrong
        try:
            with site_of(folder, name, built, asked.kind, asked.mutant) as site:
                while not failed:
                    with lock:
                        trial = next(left, None)
                    if trial is None:
                        return
                    row = _tried(site, trial, stalls)
                    keep(row)
                    with lock:
                        wrong += bool(row.faults)
                        print(_line(row), flush=True)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    for sign in (signal.SIGTERM, signal.SIGINT):  # the trials that are under way come to their end
        signal.signal(sign, lambda *_: failed.append(KeyboardInterrupt()))
    with tempfile.TemporaryDirectory(prefix="edgepack-chaos-") as scratch, watched(Path(scratch)) as stalls:
        threads = []
        for number in range(asked.boxes):
            folder = Path(scratch) / f"box-{number}"
            threads.append(threading.Thread(target=work, args=(f"box-{number}", folder)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    return wrong


def _tried(site: Site, trial: Trial, stalls: Stalls) -> Row:
    """A trial; once more where it went wrong while this host's own disk stood still, which is said."""
    for _ in range(_AGAIN):
        began = time.monotonic()
        try:
            row = run(site, trial)
        except (RuntimeError, EdgepackError):
            if not stalls.since(began):
                raise
        else:
            if not row.faults or not stalls.since(began):
                return row
        stood = f"this host's disk stood still for {stalls.since(began):.0f} s"
        print(f"{trial.number:4d} {stood}: the trial is done again", flush=True)
        site.current = None
    return run(site, trial)


def _line(row: Row) -> str:
    where = f"{row.step} ({row.reached})"
    head = f"{row.number:4d} {row.blow:45s} {where:28s} {row.way:28s} {'first ' if row.first else ''}"
    tail = f"→ {row.release}, exit {row.said}, {row.recovered_s} s, gap {row.gap_s} s, {row.seconds} s in all"
    return f"{head}{tail}" + "".join(f"\n     FAULT {fault}" for fault in row.faults)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    asks = argparse.ArgumentParser(prog="python -m bench.chaos")
    asks.add_argument("--trials", type=int, default=600, metavar="N", help="of the campaign in all (600)")
    asks.add_argument("--slice", type=int, default=0, metavar="N", help="only so many, nothing kept")
    asks.add_argument("--seed", default="", help="what draws them; else the commit")
    asks.add_argument("--boxes", type=int, default=2, metavar="N", help="at once (2)")
    asks.add_argument("--kind", choices=("sandbox", "debian", "busybox"), default="sandbox", help="the boxes")
    asks.add_argument("--only", default="", metavar="REGEX", help="of what strikes, and the step")
    asks.add_argument("--mutant", default="", help="a box's script with something taken out: see mutant.py")
    return asks.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
