"""What a box runs, and how it goes. A box that cannot be asked is a state, not a failure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.box.session import Box
from edgepack.errors import EdgepackError, Exit

_WARN_DAYS = 30  # where the release does not say
FRESH_S = 10  # the program writes its status each second

RUNNING = "running"
STALE = "silent"  # it lives, and does not write its status any more
STOPPED = "stopped"
FAILING = "failing"  # it ends by itself, and is started again and again
EMPTY = "no release"
UNREACHABLE = "unreachable"
NOT_TRUSTED = "not trusted"  # it shows a host key that nobody vouched for, or another than was known
IN_A_CLUSTER = "in a cluster"  # what runs there is Kubernetes' to start and to watch
NOT_ASKED = "not asked"  # what is written of it here, or what it answers, does not do


@dataclass(frozen=True)
class Slowest:
    """The stage of the program that works most: more pictures a second need it to be quicker."""

    stage: str
    ms: float  # at a picture
    busy: float  # of the time, 0 to 1
    waiting: int  # pictures before it


@dataclass(frozen=True)
class NodeStatus:
    """One app on one box. What is not known is None."""

    node: str
    app: str
    state: str
    why: str = ""
    fix: str = ""
    release: str | None = None  # 64 hexadecimal digits
    version: str | None = None
    target: str | None = None
    previous: str | None = None
    unconfirmed_s: int | None = None  # seconds until the box goes back by itself
    pid: int | None = None
    since: int | None = None  # seconds since 1970, by the box's clock
    restarts: int | None = None
    frames: int | None = None
    errors: int | None = None
    fps: float | None = None  # images a second of work; None before the first image
    uptime_s: float | None = None
    source: str | None = None  # below the app's data folder
    sink: str | None = None
    starts_at_boot: bool | None = None
    locked_by: str | None = None
    slowest: Slowest | None = None
    dropped: int | None = None  # pictures, where the source is not held back
    undelivered: str | None = None  # why a sink cannot hand its answers on, and how many wait
    licence: str | None = None  # of one that ends soon or does not hold: what the program says of it

    @property
    def running(self) -> bool:
        """Whether the program answers."""
        return self.state == RUNNING

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "running": self.running}


def status(endpoint: Endpoint, app: str) -> NodeStatus:
    """Ask a box; whatever keeps it from answering is its state, so that others can be shown beside it."""
    try:
        with Box(endpoint) as box:
            return of(endpoint.node, app, box.call("status", app))
    except EdgepackError as error:
        return refused(endpoint.node, app, error)


def refused(node: str, app: str, error: EdgepackError) -> NodeStatus:
    """The state of a box that could not be asked, from what was told of that."""
    if isinstance(error, HostKeyError):
        state = NOT_TRUSTED
    else:
        state = UNREACHABLE if isinstance(error, UnreachableError) else NOT_ASKED
    why = f"{error.what}: {error.why}" if error.why else error.what
    return NodeStatus(node, app, state, why, error.fix)


def of(node: str, app: str, lines: Iterable[str]) -> NodeStatus:
    """The status in the lines of the script's ``status``."""
    said: dict[str, str] = {}
    for line in lines:
        word, _, value = line.partition(" ")
        said[word] = value
    release = _json(said.get("release", ""))
    told = _json(said.get("status", ""))
    _, pid, _, since, restarts, ended = (*said.get("program", "").split(), *[""] * 6)[:6]
    state, why = _state(said, told, restarts, ended)
    until = said.get("unconfirmed", "").split()
    lock = said.get("lock", "").split()
    return NodeStatus(
        node=node,
        app=app,
        state=state,
        why=why,
        release=said.get("current") or None,
        version=_text(release.get("version")),
        target=_text(release.get("target")),
        previous=said.get("previous") or None,
        unconfirmed_s=_int(until[2]) if len(until) > 2 else None,
        pid=_int(pid),
        since=_int(since),
        restarts=_int(restarts),
        frames=_int(told.get("frames")),
        errors=_int(told.get("errors")),
        fps=_float(told.get("fps")) if _int(told.get("frames")) else None,
        uptime_s=_float(told.get("uptime_s")),
        source=_path(release.get("source")),
        sink=_path(release.get("sink")),
        starts_at_boot=said.get("boots", "no").partition(" ")[0] != "no",
        slowest=_slowest(told.get("stages")),
        dropped=_int(told.get("dropped")),
        undelivered=_undelivered(told.get("sinks")),
        licence=_licence(told.get("licence"), release.get("licence")),
        locked_by=lock[3] if len(lock) > 3 and (_int(lock[1]) or 0) > 0 else None,
    )


def _state(said: Mapping[str, str], told: Mapping[str, Any], restarts: str, ended: str) -> tuple[str, str]:
    if not said.get("current"):
        return EMPTY, "nothing was deployed to it yet"
    if not said.get("supervisor"):
        return STOPPED, "nothing runs: the box was started again, or somebody ended it"
    if not said.get("program", "").startswith("yes"):
        words = _licence(told.get("licence"), None) if ended == str(Exit.LICENCE) else None
        if ended == str(Exit.KEY):
            words = "no key there opens its encrypted model, or that is damaged: edgepack logs says it"
        how = f"the program does not run: {words}" if words else f"the program ended with {ended}"
        return FAILING, f"{how}, and is started again soon ({restarts} times so far)"
    age = _int(said.get("status_age", ""))
    if not told or age is None or age > FRESH_S:
        return (
            STALE,
            f"the program wrote nothing about itself for {age} s" if told else "it has not said anything yet",
        )
    if (_int(restarts) or 0) > 0:
        return RUNNING, f"it was started again {restarts} times, the last time after it ended with {ended}"
    return RUNNING, ""


def _slowest(stages: object) -> Slowest | None:
    """Of the program's own rows, which nobody vouches for; None where no stage has worked yet."""
    found = []
    for row in stages if isinstance(stages, list) else []:
        if isinstance(row, dict):
            stage, waiting = _text(row.get("stage")), _int(row.get("waiting"))
            ms, busy = _float(row.get("ms")), _float(row.get("busy"))
            if stage and ms and busy is not None and waiting is not None:
                found.append(Slowest(stage[:32], ms, busy, waiting))
    return max(found, key=lambda row: row.ms, default=None)


def _undelivered(sinks: object) -> str | None:
    """Of the program's own rows, which nobody vouches for: the first sink that is in trouble."""
    for row in sinks if isinstance(sinks, list) else []:
        trouble = _text(row.get("trouble")) if isinstance(row, dict) else None
        if trouble:
            waiting = _int(row.get("waiting"))
            words = _printable(trouble)
            return f"{words}; {waiting} answers wait" if waiting else words
    return None


def _licence(said: object, asked: object) -> str | None:
    """The program's words on its licence, where it does not hold for long any more."""
    if not isinstance(said, dict) or not (words := _text(said.get("words"))):
        return None
    warn_days = _int(asked.get("warn_days")) if isinstance(asked, dict) else None
    left = _float(said.get("left_s")) or 0
    soon = left < (_WARN_DAYS if warn_days is None else warn_days) * 24 * 60 * 60
    odd = said.get("state") != "valid" or "clock" in words
    return _printable(words) if soon or odd else None


def _printable(words: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in words[:200])


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _int(value: object) -> int | None:
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return None


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _path(value: object) -> str | None:
    return _text(value.get("path")) if isinstance(value, dict) else None
