"""How far a deploy has come, read from the box's own disk and from nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.releases import APP


@dataclass(frozen=True)
class Going:
    """A deploy from one release (or none: "") to another, below ``root`` on the box. ``program``: the
    digest of a file that only the new release has.
    """

    root: Path
    before: str
    after: str
    program: str

    @property
    def app(self) -> Path:
        return self.root / "apps" / APP


def link(path: Path) -> str:
    """The release that a link names; empty where there is none."""
    with contextlib.suppress(OSError):
        return path.readlink().name
    return ""


def words(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _new_runs(at: Going) -> bool:
    return link(at.app / "current") == at.after


def _last_line(at: Going) -> str:
    return words(at.root / "journal").rstrip("\n").rpartition("\n")[2]


# In the order in which they come. Each is looked at as "this, or any after it".
STEPS: dict[str, Callable[[Going], bool]] = {
    "locked": lambda at: (at.root / "lock" / "token").exists(),
    "sending": lambda at: any(not p.name.startswith("wanted") for p in (at.root / "incoming").glob("*")),
    "sent": lambda at: (at.root / "store" / at.program).exists(),
    "staging": lambda at: (at.app / "releases" / f"{at.after}.tmp").exists(),
    "staged": lambda at: (at.app / "releases" / at.after).exists(),
    "proving": lambda at: any((at.root / "incoming").glob("verify.*")),
    "switching": lambda at: at.after in words(at.app / "unconfirmed"),
    "stopped": lambda at: (
        at.after in words(at.app / "unconfirmed")
        and (at.app / "current.new").is_symlink()
        and not (at.app / "run" / "supervisor").exists()
    ),
    "switched": _new_runs,
    "started": lambda at: at.after in words(at.app / "run" / "program"),
    "answering": lambda at: at.after in words(at.app / "data" / "status.json"),
    "confirming": lambda at: _new_runs(at) and not (at.app / "unconfirmed").exists(),
    "confirmed": lambda at: (
        _new_runs(at)
        and f" confirm {APP} {at.after}" in _last_line(at)
        and not (at.app / "confirmed").exists()
    ),
    "unlocked": lambda at: (
        _new_runs(at) and not (at.app / "unconfirmed").exists() and not (at.root / "lock").exists()
    ),
}


def reached(step: str, at: Going) -> bool:
    """Whether the deploy is at ``step``, or beyond: what is there for milliseconds may be over by now."""
    names = list(STEPS)
    return any(STEPS[name](at) for name in names[names.index(step) :])


def furthest(at: Going) -> str:
    """The last step that shows; `begun` where none does."""
    return next((name for name in reversed(STEPS) if STEPS[name](at)), "begun")
