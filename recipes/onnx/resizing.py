"""Rules by which images are resized, for (N, C, H, W): what they are called, and which pixel goes where.

Coordinates as ONNX's Resize defines them (``coordinate_transformation_mode``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from edgepack_blocks import pictures

Size = tuple[int, int]
Positions = Callable[[int, int], np.ndarray]


def _half(there: int, wanted: int) -> np.ndarray:
    return (np.arange(wanted) + 0.5) * there / wanted - 0.5


def _asymmetric(there: int, wanted: int) -> np.ndarray:
    return np.arange(wanted) * there / wanted


def _corners(there: int, wanted: int) -> np.ndarray:
    return np.arange(wanted) * (there - 1) / max(wanted - 1, 1)


def _bilinear(there: int, wanted: int, at: Positions) -> np.ndarray:
    """(wanted, there): each row's weights."""
    where = np.clip(at(there, wanted), 0, there - 1)
    low = np.floor(where).astype(int)
    high = np.minimum(low + 1, there - 1)
    weights = np.zeros((wanted, there))
    rows = np.arange(wanted)
    np.add.at(weights, (rows, low), 1 - (where - low))
    np.add.at(weights, (rows, high), where - low)
    return weights


def _nearest(there: int, wanted: int, at: Positions) -> np.ndarray:
    where = np.clip(np.floor(at(there, wanted)), 0, there - 1).astype(int)
    return np.eye(there)[where]


def _antialiased(there: int, wanted: int) -> np.ndarray:
    """A triangle as wide as the pixels that fall together, as Pillow does it; when enlarging, bilinear."""
    ratio = max(there / wanted, 1.0)
    distances = np.abs(_half(there, wanted)[:, None] - np.arange(there)[None]) / ratio
    weights = np.clip(1 - distances, 0, None)
    return weights / weights.sum(1, keepdims=True)


def _cubic(there: int, wanted: int, a: float) -> np.ndarray:
    """Keys' kernel; a: −0.75 as OpenCV and PyTorch have it, −0.5 as Pillow and TensorFlow."""
    where = _half(there, wanted)
    weights = np.zeros((wanted, there))
    for offset in range(-1, 3):
        place = np.floor(where).astype(int) + offset
        d = np.abs(where - place)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        np.add.at(weights, (np.arange(wanted), np.clip(place, 0, there - 1)), np.where(d <= 1, near, far))
    return weights


def _apply(images: np.ndarray, size: Size, weights: Callable[[int, int], np.ndarray]) -> np.ndarray:
    rows, columns = weights(images.shape[2], size[0]), weights(images.shape[3], size[1])
    return np.asarray(np.einsum("yh,nchw,xw->ncyx", rows, images, columns, optimize=True))


def half_pixel(images: np.ndarray, size: Size) -> np.ndarray:
    """Bilinear with half-pixel centres: what edgepack's `resize` does where nothing else is asked for."""
    return _apply(images, size, lambda a, b: _bilinear(a, b, _half))


def _letterbox(images: np.ndarray, size: Size) -> np.ndarray:
    """The sides kept in proportion, the image in the middle of gray (114, as YOLO has it)."""
    ratio = min(size[0] / images.shape[2], size[1] / images.shape[3])
    inner = (round(images.shape[2] * ratio), round(images.shape[3] * ratio))
    out = np.full((*images.shape[:2], *size), 114.0)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    out[:, :, top : top + inner[0], left : left + inner[1]] = half_pixel(images, inner)
    return out


def _area(there: int, wanted: int) -> np.ndarray:
    return pictures.weights(there, wanted, "area")


RULES: Mapping[str, Callable[[np.ndarray, Size], np.ndarray]] = {
    "bilinear": half_pixel,
    "area": lambda i, s: _apply(i, s, _area),
    "nearest": lambda i, s: _apply(i, s, lambda a, b: _nearest(a, b, _asymmetric)),
    "nearest half-pixel": lambda i, s: _apply(
        i, s, lambda a, b: _nearest(a, b, lambda c, d: _half(c, d) + 0.5)
    ),
    "align-corners": lambda i, s: _apply(i, s, lambda a, b: _bilinear(a, b, _corners)),
    "no half-pixel": lambda i, s: _apply(i, s, lambda a, b: _bilinear(a, b, _asymmetric)),
    "antialiased": lambda i, s: _apply(i, s, _antialiased),
    "cubic": lambda i, s: np.clip(_apply(i, s, lambda a, b: _cubic(a, b, -0.75)), 0, 255),
    "cubic Pillow": lambda i, s: np.clip(_apply(i, s, lambda a, b: _cubic(a, b, -0.5)), 0, 255),
    "letterbox": _letterbox,
}
