"""From one release to another: switch, watch its health, confirm, and back if anything is wrong."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgepack.box.session import Box
from edgepack.errors import EdgepackError
from edgepack.ship import hooks
from edgepack.ship.errors import UnhealthyError
from edgepack.ship.hooks import HookError, Hooks
from edgepack.ship.report import Clock

GUARD_S = 45  # beyond the health time-out: then the box goes back even if nobody is there any more
_STOP_S = 30  # ending the old program and starting the new one


@dataclass(frozen=True)
class Health:
    """What a release must show, from its ``release.json``."""

    timeout: int = 30  # seconds
    min_fps: float = 0.0
    hooks: Hooks = field(default_factory=Hooks)  # what the release runs around the switch

    @staticmethod
    def of(release: Mapping[str, Any]) -> Health:
        """Of a ``release.json``; what it leaves out has the manifest's defaults."""
        said = release.get("health")
        said = said if isinstance(said, Mapping) else {}
        timeout, fps = said.get("timeout", 30), said.get("min_fps", 0)
        return Health(
            int(timeout) if isinstance(timeout, (int, float)) and 1 <= timeout <= 3600 else 30,
            float(fps) if isinstance(fps, (int, float)) and math.isfinite(fps) else 0.0,
            Hooks.of(release),
        )


@dataclass
class Gate:
    """Decides from what the box says each second whether the new release is healthy.

    Healthy is: its process lives, was not started twice, and wrote its status at least twice as
    that process, of that release, the last time with enough frames a second.
    """

    release: str
    health: Health
    why: str = "the program did not start"
    status: Mapping[str, Any] | None = None
    _seen: set[str] = field(default_factory=set)

    def feed(self, said: Mapping[str, str]) -> bool:
        """Take one second's words; True when healthy. Raises UnhealthyError when it never will be."""
        alive, pid, release, _, restarts, ended = (*said.get("program", "").split(), *[""] * 6)[:6]
        if restarts not in ("", "0"):
            raise UnhealthyError(
                f"the new release ended by itself with {ended}",
                why="it must run on until told to stop",
                fix="look at its own words below; run it in a sandbox: edgepack sandbox up",
            )
        if alive != "yes" or release != self.release:
            self.why = "the program does not run"
            return False
        status = parse_status(said.get("status", ""))
        # In a container it is number 1; an older status was removed before that started (box/sh/compose.sh).
        if status is None or str(status.get("pid")) not in (pid, "1"):
            self.why = "the program runs, but has not written its status.json yet"
            return False
        if status.get("release") not in (None, self.release):
            self.why = f"the program says that it is release {status.get('release')}"
            return False
        self._seen.add(said.get("status", ""))
        self.status = status
        if len(self._seen) < 2:
            self.why = "the program wrote its status once and never again"
            return False
        fps = status.get("fps")
        if self.health.min_fps > 0 and not (isinstance(fps, (int, float)) and fps >= self.health.min_fps):
            self.why = f"it does {fps} frames a second, `health.min_fps` is {self.health.min_fps:g}"
            return False
        return True


@dataclass(frozen=True)
class Activated:
    """A release that was switched to and confirmed, and the box's word on those around it."""

    status: Mapping[str, Any]  # what its program said of itself
    before: str | None  # what was current until then; the release itself where that was started again
    previous: str | None  # what a rollback goes back to


def activate(box: Box, token: str, app: str, release: str, health: Health, clock: Clock) -> Activated:
    """Switch to a staged and proven release, and confirm it once healthy; its own hooks around that.

    Whatever goes wrong in between, Ctrl-C too, the box goes back to what ran before: told from here
    while the link stands, by its own guard otherwise. Raises UnhealthyError, BoxError,
    UnreachableError, HookError, each saying which release answers.
    """
    if health.hooks.before:
        with clock.stage(hooks.BEFORE):
            hooks.run(box, token, app, release, hooks.BEFORE, health.hooks.before)
    try:
        with clock.stage("switch"):
            within = health.timeout + health.hooks.after + health.hooks.healthy + GUARD_S
            switched = box.call("switch", token, app, release, str(within))
        if health.hooks.after:
            with clock.stage(hooks.AFTER):
                hooks.run(box, token, app, release, hooks.AFTER, health.hooks.after)
        with clock.stage("health"):
            until = time.monotonic() + health.timeout
            status = _watch(box, token, app, Gate(release, health))
            if health.hooks.healthy:
                _ask(box, token, app, release, health, until)
        with clock.stage("confirm"):
            confirmed = box.call("confirm", token, app, release)
    except BaseException as error:
        _go_back(box, token, app, release, error)
        raise
    return Activated(status, _word(switched, "before"), _word(confirmed, "previous"))


def _word(lines: Sequence[str], name: str) -> str | None:
    """The release after ``name`` in what the box said; None where it names none."""
    found = next((line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")), "")
    return found if found not in ("", "-") else None


def _watch(box: Box, token: str, app: str, gate: Gate) -> Mapping[str, Any]:
    said: dict[str, str] = {}
    with contextlib.closing(box.stream("watch", token, app, str(gate.health.timeout))) as lines:
        for line in lines:
            word, _, value = line.partition(" ")
            if word != "tick":
                said[word] = value
                continue
            if gate.feed(said) and gate.status is not None:
                return gate.status
            said = {}
    raise UnhealthyError(
        f"the new release was not healthy within {gate.health.timeout} s",
        why=gate.why,
        fix="look at the program's words below, or raise `health.timeout` in edgepack.yaml",
    )


def _ask(box: Box, token: str, app: str, release: str, health: Health, until: float) -> None:
    """The release's own probe, again and again until it says yes. Raises UnhealthyError."""
    while True:
        try:
            return hooks.run(box, token, app, release, hooks.HEALTHY, health.hooks.healthy)
        except HookError as error:
            if time.monotonic() >= until:
                raise UnhealthyError(
                    "the new release's own probe does not find it healthy",
                    where=error.where,
                    why=error.why,
                    fix="look at what it printed, below, or raise `health.timeout` in edgepack.yaml",
                    detail=error.detail,
                ) from error
        time.sleep(1)


def _go_back(box: Box, token: str, app: str, release: str, error: BaseException) -> None:
    """Undo the switch and tell, in the error, which release answers now."""
    answers = "the link broke: the box goes back by itself to the release that ran before"
    if box.alive:
        if isinstance(error, UnhealthyError):
            error.where = error.where or box.endpoint.where
            error.detail = error.detail or _last_words(box, app, release)
        with contextlib.suppress(EdgepackError):
            said = box.call("back", token, app, _reason(error), silence_s=_STOP_S)
            answers = _who_answers(_word(said, "current"), release)
    if isinstance(error, EdgepackError):
        error.why = f"{error.why}; {answers}" if error.why else answers


def _who_answers(current: str | None, release: str) -> str:
    """After going back to ``current`` from ``release``."""
    if current is None:
        return "nothing ran before, nothing runs now"
    if current == release:
        return "it was the current release before, and stays it; edgepack rollback goes to the one before"
    return f"release {current[:12]} answers"


def _last_words(box: Box, app: str, release: str) -> str:
    """The last lines of the log, from this release's first start on."""
    try:
        lines = [line[1:] for line in box.call("logs", app, "log", "30", "0") if line.startswith("=")]
    except EdgepackError:
        return ""
    began = next((n for n, line in enumerate(lines) if f"edgepack: release {release} starts" in line), 0)
    return "\n".join(lines[began:][-15:])


def _reason(error: BaseException) -> str:
    """The error in a few plain words, for the box's journal."""
    text = error.what if isinstance(error, EdgepackError) else type(error).__name__
    return "".join(c if c.isalnum() or c in " .,_-" else " " for c in text)[:120]


def parse_status(text: str) -> Mapping[str, Any] | None:
    """``status.json`` as the box sent it, or None where it is not one."""
    try:
        status = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) else None
