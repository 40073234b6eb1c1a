"""What a box is seen to hold after a blow, and what of it breaks the promise.

The promise: the release that `current` names is the old one or the new one; it and whatever else could be
reached is whole, to the byte; in the end its program runs, and no other; its golden vectors hold; a deploy
that said so is there for good; and the next deploy succeeds and leaves nothing of the broken one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.releases import APP
from bench.chaos.steps import link

_RELEASE = re.compile(r"[0-9a-f]{64}")
MARKS = ("unconfirmed", "confirmed", "going-back", "changing")
Sums = Mapping[str, str]


@dataclass(frozen=True)
class Seen:
    """A box's files at one moment. ``releases``: digest → what lies in its folder; ``litter``: paths that no
    release and no app needs.
    """

    current: str
    previous: str
    releases: Mapping[str, Sums]
    marks: frozenset[str]
    litter: tuple[str, ...]


@dataclass(frozen=True)
class Lives:
    """What runs there. ``proof``: exit status of its golden vectors; ``answers``: a client was answered."""

    programs: Sequence[str]
    supervisors: int
    proof: int
    answers: bool


@dataclass(frozen=True)
class Promise:
    """What may be. ``before``: "" where there was no release. ``known``: digest → what a release is made of.
    ``said``: what the deployer said by its exit status; None where it was killed. ``refused``: the new
    release must never be switched to.
    """

    before: str
    after: str
    known: Mapping[str, Sums]
    said: int | None = None
    refused: bool = False

    def name(self, digest: str) -> str:
        return {self.before: "the old", self.after: "the new", "": "none"}.get(digest, digest[:12])


def seen(root: Path) -> Seen:
    """Of the box whose ``root`` this host can read."""
    app = root / "apps" / APP
    folders = [p for p in app.glob("releases/*") if p.is_dir() and _RELEASE.fullmatch(p.name)]
    wanted = {line.split()[0] for p in app.glob("releases/*.list") for line in p.read_text().splitlines()}
    litter = [p for p in root.glob("incoming/*") if p.name != ".receiving"]  # whose lock it is
    litter += list(root.glob("lock*"))
    litter += [p for p in app.glob("releases/*") if not _RELEASE.fullmatch(p.name.removesuffix(".list"))]
    litter += [p for p in app.glob("releases/*.list") if not p.with_suffix("").is_dir()]
    litter += [*app.glob("*.new*"), *app.glob("current.back")]
    litter += [p for p in root.glob("store/*") if p.name not in wanted]
    litter += [*root.glob("bin/.*"), *app.glob("run/*.new.*")]
    return Seen(
        link(app / "current"),
        link(app / "previous"),
        {p.name: _sums(p) for p in folders},
        frozenset(mark for mark in MARKS if (app / mark).is_symlink() or (app / mark).exists()),
        tuple(sorted(str(p.relative_to(root)) for p in litter)),
    )


def _sums(folder: Path) -> Sums:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def struck(promise: Promise, found: Seen) -> list[str]:
    """Faults right after the blow: what any restart of the box would find."""
    faults = []
    allowed = (promise.before,) if promise.refused else (promise.before, promise.after)
    if found.current not in allowed:
        faults.append(f"the release is {promise.name(found.current)}")
    if promise.said == 0 and promise.refused:
        faults.append("the deploy of a release that is not right succeeded")
    elif promise.said == 0 and found.current != promise.after:
        faults.append(f"the deploy had succeeded, and the release is {promise.name(found.current)}")
    if found.previous and found.previous not in found.releases:
        faults.append("the release to go back to is not there")
    if found.current and found.current not in found.releases:
        faults.append("the current release's files are not there")
    for digest, sums in found.releases.items():
        whole = promise.known.get(digest)
        if whole is None:
            faults.append(f"release {digest[:12]} was never deployed")
        elif sums != whole and not (promise.refused and digest == promise.after):
            wrong = sorted(p for p in sums.keys() | whole.keys() if sums.get(p) != whole.get(p))
            faults.append(f"{promise.name(digest)} release is not whole: {', '.join(wrong[:3])}")
    return faults


def settled(promise: Promise, found: Seen, lives: Lives) -> list[str]:
    """Faults once the box had time to recover."""
    faults = struck(promise, found)
    wanted = [found.current] if found.current else []
    if list(lives.programs) != wanted:
        running = ", ".join(map(promise.name, lives.programs)) or "nothing"
        faults.append(f"{running} runs, and the release is {promise.name(found.current)}")
    if lives.supervisors != len(wanted):
        faults.append(f"{lives.supervisors} supervisors")
    if wanted and lives.proof != 0:
        faults.append(f"the golden vectors of {promise.name(found.current)} ended with {lives.proof}")
    if wanted and not lives.answers:
        faults.append("nobody is answered")
    return faults


def again(promise: Promise, found: Seen, lives: Lives) -> list[str]:
    """Faults after the next deploy, which was not disturbed and said that it succeeded."""
    faults = settled(promise, found, lives)
    if found.current != promise.after:
        faults.append(f"the release is {promise.name(found.current)}")
    if promise.before not in ("", promise.after) and found.previous != promise.before:
        faults.append(f"the release to go back to is {promise.name(found.previous)}")
    faults += [f"{mark} is there" for mark in sorted(found.marks)]
    faults += [f"{path} is left" for path in found.litter[:3]]
    return faults
