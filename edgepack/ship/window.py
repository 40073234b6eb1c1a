"""The hours in which a site may be sent to: outside them a deploy waits, and stops at their end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edgepack.errors import UsageError
from edgepack.ship.errors import DeployError
from edgepack.ship.report import Clock

_WORDS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_LOOK_S = 30.0  # so often it is looked whether it is open yet: this host's clock may be set meanwhile


class WindowClosedError(DeployError):
    """The hours are over. What came whole is on the box, and the next deploy goes on from there."""


@dataclass(frozen=True)
class Window:
    """From ``begins`` to ``ends``, also past midnight; ``zone``: None for this host's."""

    begins: clock_time
    ends: clock_time
    zone: ZoneInfo | None = None
    now: Callable[[ZoneInfo | None], datetime] = datetime.now
    sleep: Callable[[float], None] = time.sleep

    @staticmethod
    def of(words: str, zone: str | None = None) -> Window:
        """``01:00-05:00`` in a zone like Europe/Zurich. Raises UsageError."""
        found = _WORDS.fullmatch(words)
        if not found or words[:5] == words[6:]:
            raise UsageError(f"--window takes hours like 01:00-05:00, not {words}")
        begins, ends = (clock_time(int(found[n]), int(found[n + 1])) for n in (1, 3))
        try:
            return Window(begins, ends, ZoneInfo(zone) if zone else None)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UsageError(f"there is no time zone {zone}: it is one like Europe/Zurich") from error

    def open(self) -> bool:
        """Whether it is now."""
        at = self.now(self.zone).time()
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends

    def words(self) -> str:
        """``01:00-05:00 Europe/Zurich``"""
        return f"{self.begins:%H:%M}-{self.ends:%H:%M} {self.zone.key if self.zone else 'here'}"

    def opens_in(self) -> timedelta:
        """How long until it opens; 0 where it is open."""
        if self.open():
            return timedelta()
        now = self.now(self.zone)
        begins = datetime.combine(now.date(), self.begins, now.tzinfo)
        return begins - now if begins > now else begins + timedelta(days=1) - now

    def wait(self, clock: Clock) -> None:
        """Until it is open."""
        if self.open():
            return
        with clock.stage("wait"):
            while not self.open():
                self.sleep(min(_LOOK_S, max(0.1, self.opens_in().total_seconds())))

    def hold(self, what: str) -> None:
        """Raise WindowClosedError where it is closed by now."""
        if not self.open():
            raise WindowClosedError(
                f"the hours {self.words()} are over, {what}",
                why="the old release runs on; what came whole stays on the box",
                fix="run the same command again: it waits for the next time, and goes on from what is there",
            )
