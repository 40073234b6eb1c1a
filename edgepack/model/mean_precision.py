"""Mean average precision of boxes at an overlap of one half, as PASCAL VOC counts it since 2010.

A prediction, the surest first, is right where it overlaps a box of its class by more than half (intersection
over union ≥ 0.5) that no surer one has taken. A class's average precision is the area under its precision,
made monotone, over recall (all points); the mean is over the classes that there are boxes of.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.errors import InputError

COLUMNS = ("file", "class", "x0", "y0", "x1", "y1")
OVERLAP = 0.5


@dataclass(frozen=True)
class Box:
    """Corners in whatever unit both sides use. kind: the class, as text; score: 1 for what is true."""

    kind: str
    x0: float
    y0: float
    x1: float
    y1: float
    score: float = 1.0


def load(folder: Path, files: Sequence[str]) -> list[list[Box]]:
    """The true boxes of each file, by ``boxes.csv``. Raises InputError with the line that is wrong."""
    place = folder / "boxes.csv"
    found: dict[str, list[Box]] = {name: [] for name in files}
    try:
        with place.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "the true boxes cannot be read", where=str(place), why=str(error), fix=_NEEDS
        ) from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError("boxes.csv does not begin with its columns", where=str(place), fix=_NEEDS)
    for line, row in enumerate(rows[1:], 2):
        try:
            name, kind, *corners = row
            x0, y0, x1, y1 = map(float, corners)
            found[name].append(Box(kind.strip(), x0, y0, x1, y1))
        except (ValueError, KeyError):
            raise InputError("a line of boxes.csv is wrong", where=f"{place}:{line}", fix=_NEEDS) from None
    return [found[name] for name in files]


_NEEDS = "write file,class,x0,y0,x1,y1: a line a box, of files that labels.csv names"


def predicted(record: Mapping[str, object]) -> list[Box]:
    """A record's field ``boxes``: class, score, x0, y0, x1, y1, and again. Raises InputError."""
    flat = record.get("boxes")
    if not isinstance(flat, list) or len(flat) % 6:
        raise InputError(
            "`post` gives no `boxes` in sixes, and map50 is asked for",
            fix="give the record a field `boxes`: class,score,x0,y0,x1,y1 a box; or another metric",
        )
    sixes = [flat[i : i + 6] for i in range(0, len(flat), 6)]
    return [
        Box(_kind(kind), float(x0), float(y0), float(x1), float(y1), float(score))
        for kind, score, x0, y0, x1, y1 in sixes
    ]


def _kind(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def map50(said: Sequence[Sequence[Box]], true: Sequence[Sequence[Box]]) -> float:
    """0..1; both a list of boxes a sample, in the same order."""
    kinds = sorted({box.kind for boxes in true for box in boxes})
    if not kinds:
        return 0.0
    return sum(_average_precision(kind, said, true) for kind in kinds) / len(kinds)


def _average_precision(kind: str, said: Sequence[Sequence[Box]], true: Sequence[Sequence[Box]]) -> float:
    there = [[box for box in boxes if box.kind == kind] for boxes in true]
    count = sum(map(len, there))
    ranked = sorted(
        ((box, number) for number, boxes in enumerate(said) for box in boxes if box.kind == kind),
        key=lambda pair: -pair[0].score,
    )
    taken: set[tuple[int, int]] = set()
    right = 0
    points: list[tuple[float, float]] = []
    for place, (box, number) in enumerate(ranked, 1):
        overlaps = [(overlap(box, other), i) for i, other in enumerate(there[number])]
        best, which = max(overlaps, default=(0.0, -1))
        if best >= OVERLAP and (number, which) not in taken:
            taken.add((number, which))
            right += 1
        points.append((right / count, right / place))
    area = most = 0.0
    for index in range(len(points) - 1, -1, -1):
        most = max(most, points[index][1])
        before = points[index - 1][0] if index else 0.0
        area += (points[index][0] - before) * most
    return area


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return inner / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - inner)
