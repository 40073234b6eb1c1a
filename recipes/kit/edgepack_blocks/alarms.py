"""Rules about a number of the record: at what time, for how long, and when somebody is told.

A class remembers from picture to picture; ``now`` is `edgepack_blocks.rules.Elapsed` time. Yes is 1, no is 0.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def schedule(
    utc: float, days: Collection[str] = DAYS, start: str = "00:00", end: str = "24:00", utc_offset: str = ""
) -> bool:
    """Whether a moment (seconds since 1970) is in a time of the week.

    utc_offset: ``+02:00``, or empty for this host's own time. An end that is not after the start is on the
    next day; the night belongs to the day that it begins on.
    """
    if not 0 <= utc < 1e11:
        return False
    whole = math.floor(utc)
    if utc_offset:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=whole) + _offset(utc_offset)
        day, minute = moment.weekday(), moment.hour * 60 + moment.minute
    else:
        local = time.localtime(whole)
        day, minute = local.tm_wday, local.tm_hour * 60 + local.tm_min
    first, last = _minutes(start), _minutes(end)
    today, yesterday = DAYS[day] in days, DAYS[day - 1] in days
    if first < last:
        return today and first <= minute < last
    return (today and minute >= first) or (yesterday and minute < last)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _offset(text: str) -> timedelta:
    sign = -1 if text[0] == "-" else 1
    return sign * timedelta(minutes=_minutes(text[1:]))


class DebounceFrames:
    """Whether something held in at least ``frames`` of the last ``of`` pictures."""

    def __init__(self, frames: int, of: int, at_least: float = 1.0) -> None:
        self._frames, self._last, self._at_least = frames, deque[bool](maxlen=of), at_least

    def look(self, value: float) -> bool:
        """The next picture's."""
        self._last.append(value >= self._at_least)
        return sum(self._last) >= self._frames


class DebounceSeconds:
    """Changes its mind when the contrary was so for ``seconds`` without a break; begins with no."""

    def __init__(self, seconds: float, at_least: float = 1.0) -> None:
        self._seconds, self._at_least = seconds, at_least
        self._said, self._contrary_since = False, math.nan

    def look(self, value: float, now: float) -> bool:
        """The next picture's."""
        holds = value >= self._at_least
        if holds == self._said:
            self._contrary_since = math.nan
        elif math.isnan(self._contrary_since):
            self._contrary_since = now
        if now - self._contrary_since >= self._seconds:
            self._said, self._contrary_since = holds, math.nan
        return self._said


class Alarm:
    """Raised from ``at`` on, cleared at ``clear`` and below; ``cooldown`` seconds between two rises."""

    def __init__(self, at: float = 1.0, clear: float = 0.0, cooldown: float = 0.0) -> None:
        self._at, self._clear, self._cooldown = at, clear, cooldown
        self._raised, self._last = False, -math.inf

    def look(self, value: float, now: float, awake: bool = True) -> tuple[bool, str]:
        """Whether it is raised, and ``raised`` or ``cleared`` where that is new. Asleep it is cleared."""
        if self._raised and (not awake or value <= self._clear):
            self._raised = False
            return False, "cleared"
        if not self._raised and awake and value >= self._at and now - self._last >= self._cooldown:
            self._raised, self._last = True, now
            return True, "raised"
        return self._raised, ""
