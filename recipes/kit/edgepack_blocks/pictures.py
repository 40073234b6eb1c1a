"""The blocks of `pre` that take pictures: float (C, H, W) in and out, computed in float64.

Each returns the picture and the geometry that goes with it. Raises ValueError for what a block does not take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .geometry import Geometry

GRAY = (0.299, 0.587, 0.114)
"""Of red, green, blue: ITU-R Recommendation BT.601-7, 2.5.1; OpenCV and Pillow have the same."""


def resize(
    picture: np.ndarray, geometry: Geometry, size: Sequence[int], mode: str = "bilinear"
) -> tuple[np.ndarray, Geometry]:
    """(C, H, W) to (C, size[0], size[1]), the two sides each on its own; modes as in ``weights``."""
    _image(picture)
    rows = weights(picture.shape[1], size[0], mode)
    columns = weights(picture.shape[2], size[1], mode)
    return np.asarray(rows @ picture.astype(np.float64) @ columns.T), geometry.stretched(size[0], size[1])


def weights(there: int, wanted: int, mode: str) -> np.ndarray:
    """(wanted, there) float64: what each old pixel gives to a new one; rows sum to 1.

    bilinear: half-pixel centres, edges clamped: PyTorch's ``interpolate(align_corners=False)``, OpenCV's
    INTER_LINEAR. nearest: the pixel at floor(i * there / wanted): PyTorch's ``nearest``, OpenCV's
    INTER_NEAREST. area: what a new pixel covers of each old one: OpenCV's INTER_AREA where it shrinks.
    antialiased: a triangle as wide as the pixels that fall together: Pillow's BILINEAR, PyTorch's
    ``antialias=True``.
    """
    if wanted < 1:
        raise ValueError("a size below 1")
    old, new = np.arange(there), np.arange(wanted)
    centres = (new + 0.5) * there / wanted - 0.5
    if mode == "nearest":
        return np.asarray(old[None] == (new * there // wanted)[:, None], np.float64)
    if mode == "area":
        begin, end = new * there, (new + 1) * there  # in parts of an old pixel, of which it has `wanted`
        first = np.maximum(begin[:, None], old[None] * wanted)
        last = np.minimum(end[:, None], (old + 1)[None] * wanted)
        return np.asarray(np.clip(last - first, 0, None) / there)
    if mode == "antialiased":
        reach = max(there / wanted, 1.0)
        triangle = np.clip(1 - np.abs(centres[:, None] - old[None]) / reach, 0, None)
        return np.asarray(triangle / triangle.sum(1, keepdims=True))
    if mode != "bilinear":
        raise ValueError(f"no mode {mode!r}")
    places = np.clip(centres, 0, there - 1)
    return np.asarray(np.clip(1 - np.abs(places[:, None] - old[None]), 0, None))


def letterbox(
    picture: np.ndarray,
    geometry: Geometry,
    size: Sequence[int],
    fill: float = 114,
    align: str = "center",
    mode: str = "bilinear",
) -> tuple[np.ndarray, Geometry]:
    """(C, H, W) to (C, size[0], size[1]): as large as fits in proportion, the rest is ``fill``.

    The inner sides are rounded to the nearest pixel. In the middle, an odd pixel is below and right. As
    Ultralytics' LetterBox has it, but that the scale kept for places is the one of the rounded sides.
    """
    _image(picture)
    height, width = picture.shape[1:]
    if size[0] < 1 or size[1] < 1:
        raise ValueError("a size below 1")
    if size[1] * height <= size[0] * width:
        inner = (min(_proportion(height, size[1], width), size[0]), size[1])
    else:
        inner = (size[0], min(_proportion(width, size[0], height), size[1]))
    small, geometry = resize(picture, geometry, inner, mode)
    top, left = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2) if align == "center" else (0, 0)
    out = np.full((picture.shape[0], size[0], size[1]), float(fill))
    out[:, top : top + inner[0], left : left + inner[1]] = small
    return out, geometry.moved(top, left, size[0], size[1])


def _proportion(side: int, wanted: int, there: int) -> int:
    """``side * wanted / there`` to the nearest whole number, halves up, at least 1."""
    return max((2 * side * wanted + there) // (2 * there), 1)


def crop(
    picture: np.ndarray, geometry: Geometry, size: Sequence[int], at: Sequence[int] | None = None
) -> tuple[np.ndarray, Geometry]:
    """(C, H, W) to (C, size[0], size[1]), from row and column ``at``; None: from the middle."""
    _image(picture)
    height, width = picture.shape[1:]
    top, left = at if at else ((height - size[0]) // 2, (width - size[1]) // 2)
    if min(size) < 1 or min(top, left) < 0 or top + size[0] > height or left + size[1] > width:
        raise ValueError("the part is not inside of the image")
    part = picture[:, top : top + size[0], left : left + size[1]]
    return part.astype(np.float64), geometry.moved(-top, -left, size[0], size[1])


def color(picture: np.ndarray, geometry: Geometry, order: str) -> tuple[np.ndarray, Geometry]:
    """(1 or 3, H, W), red first, to (3, H, W) in that order, or to (1, H, W) for ``gray``."""
    _image(picture)
    if picture.shape[0] not in (1, 3):
        raise ValueError("1 or 3 channels")
    wide = picture.astype(np.float64)
    if order == "gray":
        return (wide if len(wide) == 1 else np.tensordot(GRAY, wide, 1)[None]), geometry
    three = np.concatenate([wide] * 3) if len(wide) == 1 else wide
    return (three[::-1] if order == "bgr" else three), geometry


def normalize(
    picture: np.ndarray,
    geometry: Geometry,
    mean: Sequence[float],
    std: Sequence[float],
    scale: float = 1 / 255,
) -> tuple[np.ndarray, Geometry]:
    """``(x * scale - mean) / std``; mean and std: one value for all channels, or one each."""
    if picture.size == 0 or any(len(values) not in (1, picture.shape[0]) for values in (mean, std)):
        raise ValueError("as many values as channels, or one")
    by = (-1, *(1,) * (picture.ndim - 1))
    wide = picture.astype(np.float64) * scale
    return (wide - np.reshape(np.float64(mean), by)) / np.reshape(np.float64(std), by), geometry


def layout(picture: np.ndarray, geometry: Geometry, order: str) -> tuple[np.ndarray, Geometry]:
    """(C, H, W) to (H, W, C) for ``nhwc``; ``nchw`` leaves it."""
    _image(picture)
    return (picture.transpose(1, 2, 0) if order == "nhwc" else picture), geometry


def _image(picture: np.ndarray) -> None:
    if picture.ndim != 3 or picture.size == 0:
        raise ValueError("an image has channels, height, width")
