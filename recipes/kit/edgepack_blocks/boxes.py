"""What was found in a picture: suppressed, chosen, followed from picture to picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Detection:
    """kind: its class. score and sides: what a float32 holds; sides in pixels of the picture as it came."""

    kind: int
    score: float
    x0: float
    y0: float
    x1: float
    y1: float
    track: int = 0
    name: str = ""

    @property
    def sides(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.x0, self.y0, self.x1, self.y1


def told(found: Sequence[Detection], named: bool, tracked: bool) -> dict[str, Any]:
    """The record's fields: ``count``; ``boxes``: class, score, x0, y0, x1, y1 each; ``names``; ``tracks``."""
    record: dict[str, Any] = {"count": len(found)}
    record["boxes"] = [number for one in found for number in (one.kind, one.score, *one.sides)]
    if named:
        record["names"] = [one.name for one in found]
    if tracked:
        record["tracks"] = [one.track for one in found]
    return record


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1; 0 where they only touch."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if not (wide > 0 and high > 0):
        return 0.0
    both = wide * high
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def suppressed(rows: np.ndarray, limit: float, per_class: bool, most: int) -> np.ndarray:
    """Non-maximum suppression of rows class, score, x0, y0, x1, y1 (M, 6): at most ``most`` of them.

    The best first, of two alike the earlier one. What overlaps a better one by more than ``limit`` is left
    out: of the same class, or, without ``per_class``, of any.
    """
    kept: list[np.ndarray] = []
    for row in rows[np.argsort(-rows[:, 1], kind="stable")]:
        if len(kept) >= most:
            break
        rivals = (better for better in kept if not per_class or better[0] == row[0])
        if all(overlap(row[2:], better[2:]) <= limit for better in rivals):
            kept.append(row)
    return np.array(kept, np.float64).reshape(-1, 6)


def threshold(found: Sequence[Detection], score: float) -> list[Detection]:
    """Those with at least that score, both as float32."""
    return [one for one in found if np.float32(one.score) >= np.float32(score)]


def pick(found: Sequence[Detection], by: str = "score") -> dict[str, Any]:
    """``class``, ``name``, ``score``, ``left`` … of the one with the most ``score`` or ``area``; of two alike
    the earlier one. Areas are those of float32 sides."""
    chosen, most = Detection(-1, 0, 0, 0, 0, 0, name="nothing"), np.float32(-1)
    for one in found:
        x0, y0, x1, y1 = np.float32(one.sides)
        size = (x1 - x0) * (y1 - y0) if by == "area" else np.float32(one.score)
        if size > most:
            chosen, most = one, size
    left, top, right, bottom = chosen.sides
    sides = {"left": left, "top": top, "right": right, "bottom": bottom}
    return {"class": chosen.kind, "name": chosen.name, "score": chosen.score, **sides}


class Tracker:
    """Numbers that stay: a box goes on with the one before that it overlaps most, of the same class."""

    def __init__(self, overlap: float = 0.3, patience: int = 30) -> None:
        """overlap: intersection over union, at least. patience: pictures without it until it is forgotten."""
        self._least, self._patience, self._last = overlap, patience, 0
        self._known: list[tuple[Detection, int]] = []  # as last seen, and how many pictures ago

    def follow(self, found: Sequence[Detection]) -> list[Detection]:
        """The next picture's detections with their numbers; the pair that overlaps most is taken first.

        Of two pairs alike the older track comes first, then the earlier detection.
        """
        pairs = [
            (overlap(known.sides, one.sides), k, f)
            for k, (known, _) in enumerate(self._known)
            for f, one in enumerate(found)
            if known.kind == one.kind
        ]
        of_known: dict[int, int] = {}
        for likeness, k, f in sorted(pairs, key=lambda pair: -pair[0]):
            if likeness >= self._least and k not in of_known and f not in of_known.values():
                of_known[k] = f
        numbers = {f: self._known[k][0].track for k, f in of_known.items()}
        said = []
        for f, one in enumerate(found):
            if f not in numbers:
                self._last += 1
            said.append(replace(one, track=numbers.get(f, self._last)))
        stay = [
            (said[of_known[k]], 0) if k in of_known else (known, missed + 1)
            for k, (known, missed) in enumerate(self._known)
        ]
        fresh = [(one, 0) for f, one in enumerate(said) if f not in numbers]
        self._known = [(one, missed) for one, missed in stay if missed <= self._patience] + fresh
        return said


def part(picture: np.ndarray, one: Detection, grow: float = 0.0) -> np.ndarray:
    """What lies under a box in a picture (C, H, W): all pixels that it touches, inside the picture.

    grow: larger by so much of its sides on each side. Without rows or columns where it lies outside.
    """
    _, height, width = picture.shape
    x0, y0, x1, y1 = map(float, one.sides)
    left, right = np.floor(x0 - grow * (x1 - x0)), np.ceil(x1 + grow * (x1 - x0))
    top, bottom = np.floor(y0 - grow * (y1 - y0)), np.ceil(y1 + grow * (y1 - y0))
    rows = slice(*(int(np.clip(at, 0, height)) for at in (top, bottom)))
    columns = slice(*(int(np.clip(at, 0, width)) for at in (left, right)))
    return picture[:, rows, columns]
