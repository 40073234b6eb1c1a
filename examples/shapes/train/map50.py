"""Mean average precision of boxes at an overlap of one half, in plain NumPy.

The definition is PASCAL VOC's from 2010 on (Everingham et al., "The PASCAL Visual Object Classes Challenge
2012 Development Kit", and its VOCevaldet.m and VOCap.m): detections of a class over all images, the best
score first; each is right if its box has an intersection over union of at least the threshold with the
truth that it overlaps most, and no better detection took that truth already; precision is made monotone
from the right, and the area under it is summed at every recall where it changes ("all points"). Classes
without a truth do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating]


def mean_average_precision(truths: Sequence[Rows], found: Sequence[Rows], least: float = 0.5) -> float:
    """Truths: (M, 5) an image: class, x0, y0, x1, y1. Found: (M, 6) an image: class, score, x0, y0, x1, y1.

    0..1; NaN where there is no truth at all.
    """
    classes = sorted({int(row[0]) for rows in truths for row in rows})
    each = [average_precision(truths, found, klass, least) for klass in classes]
    return float(np.mean(each)) if each else float("nan")


def average_precision(truths: Sequence[Rows], found: Sequence[Rows], klass: int, least: float = 0.5) -> float:
    """The area under one class's precision over recall."""
    wanted = [rows[rows[:, 0] == klass][:, 1:] for rows in truths]
    taken = [np.zeros(len(rows), bool) for rows in wanted]
    pairs = [(image, row) for image, rows in enumerate(found) for row in rows if row[0] == klass]
    right = []
    for image, row in sorted(pairs, key=lambda pair: -pair[1][1]):
        overlaps = _overlaps(wanted[image], row[2:])
        best = int(overlaps.argmax()) if len(overlaps) else -1
        hit = best >= 0 and overlaps[best] >= least and not taken[image][best]
        if hit:
            taken[image][best] = True
        right.append(hit)
    return _area(np.array(right, float), sum(len(rows) for rows in wanted))


def _overlaps(boxes: Rows, box: Rows) -> NDArray[np.float64]:
    """Intersection over union of one box with each of (M, 4)."""
    wide = np.clip(np.minimum(boxes[:, 2], box[2]) - np.maximum(boxes[:, 0], box[0]), 0, None)
    high = np.clip(np.minimum(boxes[:, 3], box[3]) - np.maximum(boxes[:, 1], box[1]), 0, None)
    both = wide * high
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.asarray(both / (areas + (box[2] - box[0]) * (box[3] - box[1]) - both), float)


def _area(right: NDArray[np.float64], truths: int) -> float:
    recall = np.concatenate([[0.0], right.cumsum() / truths, [1.0]])
    precision = np.concatenate([[0.0], right.cumsum() / np.arange(1, len(right) + 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision[1:]))
