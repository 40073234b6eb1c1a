"""Stages of one box's deploy on the screen: each begins when the one before it ends."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


class StageScreen:
    """Turns ``progress(stage, done, total)`` into lines. ``unit``: what done and total count."""

    def __init__(self, screen: Screen, unit: str = "bytes") -> None:
        self._screen = screen
        self._unit = unit
        self._stage = ""
        self._note = ""

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
            self._screen.started(stage)
        if total:
            self._note = self._of(done, total)
            self._screen.note(stage, self._note)

    def _of(self, done: int, total: int) -> str:
        from edgepack.cli.screen import amount

        if self._unit == "bytes":
            return f"{amount(done)} of {amount(total)}"
        return f"{done} of {total} {self._unit}"

    def _end(self, *, good: bool) -> None:
        if self._stage:
            self._screen.done(self._stage, self._note, good=good)
        self._stage = self._note = ""
