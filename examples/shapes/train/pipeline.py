"""What happens before and after the model: the Python twin of `pre` and `post` in edgepack.yaml.

Training, the golden vectors and the references all pass through this file, and the program on the box
through edgepack's building blocks and ``src/post.cpp``. Everything is float32, as in C++.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 160  # of the model's input
CAMERA = (96, 128)  # height and width of a raw picture; boxes are told in its pixels
SCALE = np.float32(1 / 255)
MEAN = np.array([0.605, 0.489, 0.364], np.float32)  # red, green, blue of 512 training scenes
STD = np.array([0.132, 0.115, 0.118], np.float32)

HEADS = ("p3", "p4", "p5")
STRIDES = (8, 16, 32)
ANCHORS = ((14, 18), (28, 36), (56, 74))  # width, height in the model's pixels
CLASSES = ("red circle", "blue circle", "red square", "blue square", "green triangle", "yellow triangle")
CHANNELS = 5 + len(CLASSES)  # x, y, width, height, objectness, classes

LEAST_SCORE = np.float32(0.25)
MOST_OVERLAP = np.float32(0.5)
FIELDS = {"class": np.int64, "count": np.int64} | dict.fromkeys(
    ("score", "left", "top", "right", "bottom"), np.float32
)


def prepare(images: NDArray[np.uint8]) -> Floats:
    """Raw (N, H, W, 3), red first, to the model's input (N, 3, 160, 160)."""
    return normalize(resize(images.astype(np.float32)).transpose(0, 3, 1, 2))


def resize(images: Floats, size: int = SIDE) -> Floats:
    """Bilinear (N, H, W, C) to (N, size, size, C): half-pixel centres, edges clamped, sides on their own.

    The convention of OpenCV's INTER_LINEAR and of PyTorch's ``align_corners=False``.
    """
    rows, columns = _taps(images.shape[1], size), _taps(images.shape[2], size)
    return _lerp(_lerp(images, rows, axis=1), columns, axis=2)


def _taps(source: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each output pixel: its two source pixels and how much of the second it takes."""
    place = np.clip((np.arange(wanted) + 0.5) * (source / wanted) - 0.5, 0, source - 1)
    first = np.floor(place).astype(np.intp)
    second = np.minimum(first + 1, source - 1)
    return first, second, np.asarray(place - first, np.float32)


def _lerp(x: Floats, taps: tuple[NDArray[np.intp], NDArray[np.intp], Floats], axis: int) -> Floats:
    first, second, part = taps
    part = part.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.asarray(x.take(first, axis) * (1 - part) + x.take(second, axis) * part)


def normalize(images: Floats) -> Floats:
    """``(x*scale - mean) / std`` for each channel of (N, 3, H, W)."""
    return np.ascontiguousarray((images * SCALE - MEAN[:, None, None]) / STD[:, None, None], np.float32)


def candidates(outputs: Sequence[Floats]) -> Floats:
    """One image's raw maps, each (11, H, W), to rows of class, score, x0, y0, x1, y1 in raw pixels, (M, 6).

    YOLOv5's decoding with one anchor a head: centre (2σ - 0.5 + cell) · stride, side (2σ)² · anchor.
    Rows with a score below LEAST_SCORE are left out.
    """
    rows = [_head(*head) for head in zip(outputs, STRIDES, ANCHORS, strict=True)]
    return np.concatenate(rows)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without an overflow where it is as good as zero."""
    return np.asarray(1 / (1 + np.exp(-np.maximum(x, np.float32(-80)))), np.float32)


def _head(raw: Floats, stride: int, anchor: tuple[int, int]) -> Floats:
    high, wide = raw.shape[1:]
    cells_y, cells_x = np.mgrid[0:high, 0:wide].astype(np.float32)
    chance = sigmoid(raw)
    score = chance[4] * chance[5:].max(axis=0)
    to_x, to_y = CAMERA[1] / np.float32(SIDE), CAMERA[0] / np.float32(SIDE)
    x, y = (2 * chance[0] - 0.5 + cells_x) * stride, (2 * chance[1] - 0.5 + cells_y) * stride
    half_w, half_h = 2 * chance[2] ** 2 * anchor[0], 2 * chance[3] ** 2 * anchor[1]
    columns = [
        raw[5:].argmax(axis=0).astype(np.float32),
        score,
        np.clip((x - half_w) * to_x, 0, CAMERA[1]),
        np.clip((y - half_h) * to_y, 0, CAMERA[0]),
        np.clip((x + half_w) * to_x, 0, CAMERA[1]),
        np.clip((y + half_h) * to_y, 0, CAMERA[0]),
    ]
    rows = np.stack(columns, axis=-1).reshape(-1, 6).astype(np.float32)
    return rows[rows[:, 1] >= LEAST_SCORE]


def suppress(rows: Floats) -> Floats:
    """The best first; what overlaps a better one by more than MOST_OVERLAP is left out, of any class."""
    kept: list[Floats] = []
    for row in rows[np.argsort(-rows[:, 1], kind="stable")]:
        if all(overlap(row[2:], better[2:]) <= MOST_OVERLAP for better in kept):
            kept.append(row)
    return np.array(kept, np.float32).reshape(-1, 6)


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def boxes(outputs: Sequence[Floats]) -> Floats:
    """One image's raw maps to its boxes, (M, 6): class, score, x0, y0, x1, y1; the best first."""
    return suppress(candidates(outputs))


def record(found: Floats) -> Mapping[str, float]:
    """The fields that ``src/post.cpp`` sets: how many boxes, and the largest; class -1 for none."""
    if not len(found):
        return {"class": -1, "count": 0, "score": 0, "left": 0, "top": 0, "right": 0, "bottom": 0}
    areas = (found[:, 4] - found[:, 2]) * (found[:, 5] - found[:, 3])
    klass, score, *sides = found[int(areas.argmax())].tolist()
    return {"class": int(klass), "count": len(found), "score": score} | dict(
        zip(("left", "top", "right", "bottom"), sides, strict=True)
    )
