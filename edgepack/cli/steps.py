"""Stages of one box's deploy on the screen: each begins when the one before it ends."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


PACE_S = 2.0  # after so long there is a pace to go by


class StageScreen:
    """Turns ``progress(stage, done, total)`` into lines. ``unit``: what done and total count."""

    def __init__(self, screen: Screen, unit: str = "bytes") -> None:
        self._screen = screen
        self._unit = unit
        self._stage = ""
        self._note = ""
        self._began = (0.0, 0)  # when the first count of this stage came, and what it was

    def __enter__(self) -> StageScreen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(good=error is None)
        self._screen.stop()

    def progress(self, stage: str, done: int, total: int) -> None:
        """A stage has begun, or come further."""
        if stage != self._stage:
            self._end(good=True)
            self._stage = stage
            self._began = (time.monotonic(), done)
            self._screen.started(stage)
        if total:
            self._note = self._of(done, total)
            self._screen.note(stage, f"{self._note}{self._left(done, total)}")

    def _of(self, done: int, total: int) -> str:
        from edgepack.cli.screen import amount

        if self._unit == "bytes":
            return f"{amount(done)} of {amount(total)}"
        return f"{done} of {total} {self._unit}"

    def _left(self, done: int, total: int) -> str:
        """How long the rest takes at the pace so far, once there is one."""
        began, before = self._began
        taken = time.monotonic() - began
        if taken < PACE_S or done <= before or done >= total:
            return ""
        seconds = round((total - done) * taken / (done - before))
        return (
            f", {seconds // 60}:{seconds % 60:02} left"
            if seconds < 6000
            else f", {seconds / 3600:.1f} h left"
        )

    def _end(self, *, good: bool) -> None:
        if self._stage:
            self._screen.done(self._stage, self._note, good=good)
        self._stage = self._note = ""
