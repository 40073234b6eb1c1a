"""What happens to a raw image before the model: the Python twin of `pre` in edgepack.yaml.

Training, the golden vectors and the references all pass through this file, and the program on the
box through ``src/pre.cpp`` and edgepack's building blocks. Everything is float32, as in C++.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 28  # what LeNet-5 was drawn for
SCALE = np.float32(1 / 255)
MEAN = np.float32(0.5)
STD = np.float32(0.5)


def stretch(images: NDArray[np.generic]) -> Floats:
    """Full contrast: (N, H, W) of any range to float32 0..255, each image by its own min and max.

    An image of one single value becomes black. The twin of ``src/pre.cpp``.
    """
    x = images.astype(np.float32)
    low = x.min(axis=(1, 2), keepdims=True)
    span = x.max(axis=(1, 2), keepdims=True) - low
    flat = span == 0
    factor = np.where(flat, np.float32(0), np.float32(255) / np.where(flat, np.float32(1), span))
    return np.asarray((x - low) * factor)


def resize(images: Floats, size: int = SIDE) -> Floats:
    """Bilinear (N, H, W) to (N, size, size): half-pixel centres, edges clamped.

    The convention of OpenCV's INTER_LINEAR and of PyTorch's ``align_corners=False``.
    """
    rows = _taps(images.shape[1], size)
    columns = _taps(images.shape[2], size)
    return _lerp(_lerp(images, rows, axis=1), columns, axis=2)


def _taps(source: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each output pixel: its two source pixels and how much of the second it takes."""
    centre = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * np.float32(source / wanted)
    place = np.clip(centre - np.float32(0.5), 0, source - 1)
    first = np.floor(place).astype(np.intp)
    second = np.minimum(first + 1, source - 1)
    return first, second, np.asarray(place - first, np.float32)


def _lerp(x: Floats, taps: tuple[NDArray[np.intp], NDArray[np.intp], Floats], axis: int) -> Floats:
    first, second, part = taps
    part = part.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.asarray(x.take(first, axis) * (1 - part) + x.take(second, axis) * part)


def normalize(images: Floats) -> Floats:
    """``(x*scale - mean) / std``: 0..255 to -1..1."""
    return (images * SCALE - MEAN) / STD


def prepare(images: NDArray[np.uint8]) -> Floats:
    """Raw (N, 8, 8) to the model's input (N, 1, 28, 28)."""
    return normalize(resize(stretch(images)))[:, None]


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis, as `post` makes them."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True), np.float32)
