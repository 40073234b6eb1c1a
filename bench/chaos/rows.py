"""Trials as they came, kept by what they were made with, so that a campaign goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.chaos.releases import ROOT
from bench.chaos.trial import Row
from edgepack import __version__
from edgepack.box import script
from edgepack.tools import cache
from edgepack.tools.runner import command, run

_lock = threading.Lock()


@dataclass(frozen=True)
class Kept:
    """A row, the seed that drew it, and the commit of that day."""

    seed: str
    commit: str
    row: Row


def key(mutant: str = "") -> str:
    """What trials of the same table have in common: the box's script, and edgepack's version."""
    of = hashlib.sha256(script.text() + __version__.encode()).hexdigest()[:12]
    return f"{of}-{mutant}" if mutant else of


def file(mutant: str = "") -> Path:
    return cache.root() / "bench" / "chaos-rows" / f"{key(mutant)}.jsonl"


def versions() -> list[Path]:
    """What is kept of each version of the script, the oldest first; nothing of what was spoiled."""
    found = (path for path in file().parent.glob("*.jsonl") if "-" not in path.stem)
    return sorted(found, key=lambda path: path.stat().st_mtime)


def load(of: Path) -> list[Kept]:
    if not of.exists():
        return []
    rows = [json.loads(line) for line in of.read_text().splitlines()]
    return [Kept(row.pop("seed"), row.pop("commit"), _row(row)) for row in rows]


def _row(said: dict[str, object]) -> Row:
    faults = said.pop("faults")
    assert isinstance(faults, Sequence)
    return Row(**said, faults=tuple(faults))  # type: ignore[arg-type]


def add(of: Path, kept: Kept) -> None:
    with _lock:
        of.parent.mkdir(parents=True, exist_ok=True)
        with of.open("a") as rows:
            rows.write(json.dumps({"seed": kept.seed, "commit": kept.commit, **asdict(kept.row)}) + "\n")


@dataclass(frozen=True)
class CutRow:
    """One cut of the power: what lay half-way, the release there, and after the next deploy's lock."""

    step: str
    disk: str
    half_way: str
    found: str
    repaired: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Cuts:
    """A run of bench.chaos.cuts."""

    seed: str
    commit: str
    rows: Sequence[CutRow]


def keep_cuts(beside: Path, seed: str, cuts: Sequence[CutRow]) -> None:
    """The last run is what counts: one recording is as good as another, and has all points."""
    said = {"seed": seed, "commit": commit(), "rows": [list(asdict(cut).values()) for cut in cuts]}
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.with_suffix(".cuts.json").write_text(json.dumps(said))


def load_cuts(beside: Path) -> Cuts | None:
    file = beside.with_suffix(".cuts.json")
    if not file.exists():
        return None
    said = json.loads(file.read_text())
    return Cuts(said["seed"], said["commit"], [_cut(*row) for row in said["rows"]])


def _cut(step: str, disk: str, half_way: str, found: str, repaired: str, faults: Sequence[str]) -> CutRow:
    return CutRow(step, disk, half_way, found, repaired, tuple(faults))


def commit() -> str:
    """Of this checkout; `none` where it is none."""
    done = run(command("git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"))
    return done.stdout.decode().strip() or "none"
