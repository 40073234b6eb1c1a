"""Boxes of YOLO detectors, as Ultralytics' models give them.

v5 (Ultralytics' docs, YOLOv5, Architecture, "Eliminate Grid Sensitivity"): for a cell and an anchor
    x = (2σ(tx) - 0.5 + column) · stride        width = anchor width · (2σ(tw))²
    y = (2σ(ty) - 0.5 + row) · stride           height = anchor height · (2σ(th))²
    score = σ(objectness) · σ(best class)
v8 (the `Detect` head): for a cell, with its middle at (column + 0.5, row + 0.5), the distances to the left,
top, right and bottom side in strides, each the expected value of a softmax over 16 bins 0 … 15 (distribution
focal loss: Li et al., "Generalized Focal Loss", 2020, equation 5); score = σ(best class).

Their exports give one map that is decoded already: v5 (boxes, 5 + classes) with centre x, y, width, height,
objectness; v8 (4 + classes, boxes) with centre x, y, width, height; all in pixels of the model's input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .boxes import Detection, suppressed
from .geometry import Geometry
from .scores import best, sigmoid

BINS = 16
"""Of a side's distance in v8's heads (``reg_max``)."""


def yolo(
    outputs: Sequence[np.ndarray],
    geometry: Geometry,
    family: str,
    strides: Sequence[int] = (),
    anchors: Sequence[Sequence[float]] = (),
    labels: Sequence[str] = (),
    score: float = 0.25,
    overlap: float = 0.45,
    per_class: bool = True,
    most: int = 300,
) -> list[Detection]:
    """The detections, the best first. outputs: with ``strides`` a head each, else the one decoded map.

    A box is kept with at least ``score`` where its numbers are finite. They are suppressed in the model's
    pixels, then clipped to the picture as it came. Raises ValueError for other shapes.
    """
    rows = np.concatenate(
        [
            _decoded(np.asarray(output, np.float64), family, strides[i : i + 1], anchors[i : i + 1])
            for i, output in enumerate(outputs)
        ]
    )
    classes = rows.shape[1] - 5
    if labels and len(labels) != classes:
        raise ValueError("as many labels as classes")
    with np.errstate(all="ignore"):
        kinds = best(rows[:, 5:], 1)
        chances = rows[:, 4] * np.take_along_axis(_known(rows[:, 5:]), kinds[:, None], 1)[:, 0]
        kept = np.isfinite(rows[:, :4]).all(1) & (chances >= score) & (chances <= np.finfo(np.float32).max)
    found = np.column_stack([kinds, chances, rows[:, :4]])[kept]
    return [
        Detection(
            int(kind),
            np.float32(chance),
            np.float32(geometry.picture_x(x0)),
            np.float32(geometry.picture_y(y0)),
            np.float32(geometry.picture_x(x1)),
            np.float32(geometry.picture_y(y1)),
            name=labels[int(kind)] if labels else "",
        )
        for kind, chance, x0, y0, x1, y1 in suppressed(found, overlap, per_class, most)
    ]


def _known(values: np.ndarray) -> np.ndarray:
    """NaN is never the best: as if it were the smallest there is."""
    return np.where(np.isnan(values), -np.inf, values)


def _decoded(
    output: np.ndarray, family: str, stride: Sequence[int], anchors: Sequence[Sequence[float]]
) -> np.ndarray:
    """Rows (M, 5 + classes): x0, y0, x1, y1 in the model's pixels, objectness, chances of the classes."""
    if family == "v5":
        return _v5_head(output, stride[0], anchors[0]) if stride else _v5_map(output)
    return _v8_head(output, stride[0]) if stride else _v8_map(output)


def _v5_head(output: np.ndarray, stride: int, anchors: Sequence[float]) -> np.ndarray:
    """(anchors · (5 + classes), rows, columns), or (anchors, rows, columns, 5 + classes)."""
    pairs = np.float64(anchors).reshape(-1, 2)
    if output.ndim == 3 and len(output) % len(pairs) == 0:
        channels = len(output) // len(pairs)
        output = output.reshape(len(pairs), channels, *output.shape[1:]).transpose(0, 2, 3, 1)
    if output.ndim != 4 or len(output) != len(pairs) or output.shape[3] < 6:
        raise ValueError("a head of anchors · (5 + classes)")
    rows, columns = np.indices(output.shape[1:3], np.float64)
    chance = sigmoid(np.concatenate([output[..., :5], _known(output[..., 5:])], -1))
    x = (2 * chance[..., 0] - 0.5 + columns) * stride
    y = (2 * chance[..., 1] - 0.5 + rows) * stride
    half_width = (2 * chance[..., 2]) ** 2 * pairs[:, 0, None, None] / 2
    half_height = (2 * chance[..., 3]) ** 2 * pairs[:, 1, None, None] / 2
    sides = np.stack([x - half_width, y - half_height, x + half_width, y + half_height], -1)
    return np.concatenate([sides, chance[..., 4:]], -1).reshape(-1, output.shape[3])


def _v8_head(output: np.ndarray, stride: int) -> np.ndarray:
    """(64 + classes, rows, columns)."""
    if output.ndim != 3 or len(output) <= 4 * BINS:
        raise ValueError("a head of 64 + classes")
    with np.errstate(all="ignore"):
        bins = output[: 4 * BINS].reshape(4, BINS, *output.shape[1:])
        parts = np.exp(bins - np.fmax.reduce(bins, axis=1, keepdims=True))
        left, top, right, bottom = np.tensordot(np.arange(BINS), parts, (0, 1)) / parts.sum(1)
    rows, columns = np.indices(output.shape[1:], np.float64) + 0.5
    sides = np.stack([columns - left, rows - top, columns + right, rows + bottom]) * stride
    chances = sigmoid(_known(output[4 * BINS :]))
    return np.concatenate([sides, np.ones_like(sides[:1]), chances]).reshape(5 + len(chances), -1).T


def _v5_map(output: np.ndarray) -> np.ndarray:
    if output.ndim != 2 or output.shape[1] < 6:
        raise ValueError("boxes of 5 + classes")
    return np.concatenate([_corners(output[:, :4]), output[:, 4:]], 1)


def _v8_map(output: np.ndarray) -> np.ndarray:
    if output.ndim != 2 or len(output) < 5:
        raise ValueError("4 + classes of boxes")
    boxes = output.T
    return np.concatenate([_corners(boxes[:, :4]), np.ones((len(boxes), 1)), boxes[:, 4:]], 1)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Centre and sides to left, top, right, bottom."""
    with np.errstate(all="ignore"):
        half = boxes[:, 2:] / 2
        return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)
