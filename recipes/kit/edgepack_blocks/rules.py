"""Rules about what was found: zones, lines, how long, how many.

Places are pixels of the picture as it came, rows go down. A class remembers from picture to picture; ``now``
is `Elapsed` time. Lists are beside the detections.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .boxes import Detection
from .geometry import Geometry

Point = tuple[float, float]

REMEMBERED = 4096
"""Tracks that a rule knows; then the one that was not seen for longest is forgotten."""


class Elapsed:
    """Seconds since the first picture. A clock that was set back stands still for a picture, then goes on."""

    def __init__(self) -> None:
        self._now, self._last = 0.0, math.nan

    def at(self, seconds: float) -> float:
        """The time of the next picture, from what its clock says; what is not finite is no news."""
        if math.isfinite(seconds):
            if not math.isnan(self._last):
                self._now += max(0.0, seconds - self._last)
            self._last = seconds
        return self._now


class Tracks:
    """Something about each track, by its number."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Any] = OrderedDict()  # the one not seen for longest first

    def find(self, track: int) -> Any:
        """What is known of it, or None; it has now been seen."""
        if track in self._known:
            self._known.move_to_end(track)
        return self._known.get(track)

    def put(self, track: int, value: Any) -> None:
        """It has now been seen, too."""
        self._known[track] = value
        self._known.move_to_end(track)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


@dataclass(frozen=True)
class Whom:
    """Which boxes a rule means, and where: anchor ``bottom``, the middle of the lower side, or ``center``."""

    anchor: str = "bottom"
    classes: Sequence[str] = ()

    def means(self, one: Detection) -> bool:
        """No names are all."""
        return not self.classes or one.name in self.classes

    def point(self, one: Detection) -> Point:
        """In pixels."""
        x0, y0, x1, y1 = map(float, one.sides)
        return (x0 + x1) / 2, y1 if self.anchor == "bottom" else (y0 + y1) / 2


EVERYONE = Whom()


def unit_size(unit: str, where: Geometry) -> Point:
    """What 1 of the unit is in pixels, across and down: ``fraction`` of the picture, or ``pixels``."""
    if unit == "pixels":
        return 1.0, 1.0
    if where.height < 1 or where.width < 1:
        raise ValueError("the picture's size is not known")
    return float(where.width), float(where.height)


def side_of(a: Point, b: Point, point: Point) -> float:
    """On which side of the way from a to b: above 0 on its right. The cross product of both ways."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Even-odd: how often a ray from the point to the right crosses a side.

    A side has its upper end and not its lower one; a point on a side is not left of it.
    """
    crossed = 0
    for a, b in zip([*polygon[-1:], *polygon[:-1]], polygon, strict=True):
        if (a[1] > point[1]) != (b[1] > point[1]):
            side = side_of(a, b, point)
            crossed += side > 0 if b[1] > a[1] else side < 0
    return crossed % 2 == 1


def zone(
    found: Sequence[Detection],
    where: Geometry,
    polygon: Sequence[Point],
    unit: str = "fraction",
    whom: Whom = EVERYONE,
) -> list[int]:
    """1 for each box whose point is inside and that is meant, else 0."""
    across, down = unit_size(unit, where)
    corners = [(x * across, y * down) for x, y in polygon]
    return [int(whom.means(one) and contains(corners, whom.point(one))) for one in found]


class Line:
    """From one point to another. Who is farther than ``margin`` from the endless line is surely on a side.

    It has crossed when it is surely on the other one, and the straight way from where it was surely before
    goes between the two points. margin: in the unit; of a fraction, of the picture's height.
    """

    def __init__(
        self, points: Sequence[Point], margin: float = 0.0, unit: str = "fraction", whom: Whom = EVERYONE
    ) -> None:
        self._points, self._margin, self._unit, self._whom = points, margin, unit, whom
        self._sure = Tracks()

    def look(self, found: Sequence[Detection], where: Geometry) -> list[int]:
        """1 where it went from left to right as one looks along the line, -1 from right to left, else 0."""
        across, down = unit_size(self._unit, where)
        a, b = ((x * across, y * down) for x, y in self._points)
        margin = self._margin * down * math.hypot(b[0] - a[0], b[1] - a[1])
        return [self._step(a, b, margin, one) if self._whom.means(one) else 0 for one in found]

    def _step(self, a: Point, b: Point, margin: float, one: Detection) -> int:
        if one.track == 0:
            raise ValueError("a box without a number")
        now = self._whom.point(one)
        side = side_of(a, b, now)
        before = self._sure.find(one.track)
        if not abs(side) > margin:
            return 0
        self._sure.put(one.track, now)
        if before is None or (side_of(a, b, before) > 0) == (side > 0):
            return 0
        ends = side_of(before, now, a), side_of(before, now, b)
        between = min(ends) <= 0 <= max(ends)
        return (1 if side > 0 else -1) if between else 0


class Dwell:
    """How long each has been in a zone; out of it or unseen for more than ``grace`` seconds, anew."""

    def __init__(self, seconds: float, grace: float = 1.0) -> None:
        self._least, self._grace, self._stays = seconds, grace, Tracks()

    def look(self, found: Sequence[Detection], inside: Sequence[int], now: float) -> tuple[int, list[float]]:
        """How many have stayed ``seconds`` or longer; the seconds of each, 0 outside. inside: of `zone`."""
        seconds = []
        for one, there in zip(found, inside, strict=True):
            if there and one.track == 0:
                raise ValueError("a box without a number")
            if not there:
                seconds.append(0.0)
                continue
            since, last = self._stays.find(one.track) or (now, now)
            since = since if now - last <= self._grace else now
            self._stays.put(one.track, (since, now))
            seconds.append(now - since)
        stayed = sum(bool(there) and here >= self._least for there, here in zip(inside, seconds, strict=True))
        return stayed, seconds


class CountZone:
    """How many are in a zone now, and have ever been."""

    def __init__(self) -> None:
        self._total, self._known = 0, Tracks()

    def look(self, found: Sequence[Detection], inside: Sequence[int]) -> tuple[int, int]:
        """Now, and all tracks so far. inside: of `zone`."""
        for one, there in zip(found, inside, strict=True):
            if there and one.track:
                self._total += self._known.find(one.track) is None
                self._known.put(one.track, True)
        return sum(map(bool, inside)), self._total


class CountLine:
    """How many have crossed a line."""

    def __init__(self) -> None:
        self._forward = self._backward = 0

    def look(self, crossed: Sequence[int]) -> tuple[int, int, int]:
        """The difference, forward, backward, so far. crossed: of `Line`."""
        self._forward += sum(way > 0 for way in crossed)
        self._backward += sum(way < 0 for way in crossed)
        return self._forward - self._backward, self._forward, self._backward
