"""Scenes of coloured shapes, drawn by rule and seed: what the detector is trained, calibrated and judged on.

A scene is 96x128 RGB: a mottled, striped, unevenly lit and noisy sandy ground, one to six shapes to find and
up to three that belong to no class. A class is a shape and a colour, so red and blue must not be exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

HEIGHT, WIDTH = 96, 128
CLASSES = ("red circle", "blue circle", "red square", "blue square", "green triangle", "yellow triangle")
STRANGERS = ("green circle", "yellow square", "cyan triangle", "white circle", "black square")
COLOURS = {
    "red": (205, 45, 40),
    "green": (45, 150, 55),
    "blue": (45, 65, 200),
    "yellow": (225, 205, 50),
    "cyan": (60, 195, 205),
    "white": (225, 225, 220),
    "black": (35, 35, 40),
}
CORNERS = {"square": 4, "triangle": 3}
RADII = (6.0, 24.0)  # raw pixels, from the centre to the outline's farthest point
LARGEST_BY = 1.4  # the largest shape's box has this many times the area of any other's
GROUND = (158.0, 128.0, 92.0)

_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5  # pixels' centres


@dataclass(frozen=True)
class Box:
    """A shape's bounding box in raw pixels, and the index of its class in CLASSES."""

    klass: int
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def area(self) -> float:
        return (self.x1 - self.x0) * (self.y1 - self.y0)


@dataclass(frozen=True)
class Scene:
    """pixels: uint8 (96, 128, 3), red first. boxes: the largest first."""

    pixels: Bytes
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Shape:
    """An outline: its centre and size in raw pixels, its turn in radians."""

    form: str
    x: float
    y: float
    radius: float
    turn: float

    def corners(self) -> Floats:
        """(corners, 2), x and y."""
        count = CORNERS[self.form]
        angles = self.turn + 2 * np.pi * np.arange(count) / count
        return np.stack([self.x + self.radius * np.cos(angles), self.y + self.radius * np.sin(angles)], 1)

    def box(self, klass: int) -> Box:
        if self.form == "circle":
            r = self.radius
            return Box(klass, self.x - r, self.y - r, self.x + r, self.y + r)
        (x0, y0), (x1, y1) = self.corners().min(0), self.corners().max(0)
        return Box(klass, float(x0), float(y0), float(x1), float(y1))

    def window(self) -> tuple[slice, slice]:
        """The rows and columns that it touches."""
        reach = self.radius + 1
        top, left = max(int(self.y - reach), 0), max(int(self.x - reach), 0)
        return slice(top, int(self.y + reach) + 1), slice(left, int(self.x + reach) + 1)

    def cover(self) -> Floats:
        """How much of each pixel of its window lies inside, 0..1, from the distance to the outline."""
        x, y = _COLUMNS[self.window()] - self.x, _ROWS[self.window()] - self.y
        if self.form == "circle":
            return np.asarray(np.clip(self.radius - np.hypot(x, y) + 0.5, 0, 1))
        count = CORNERS[self.form]
        inner = self.radius * np.cos(np.pi / count)
        normals = self.turn + np.pi / count + 2 * np.pi * np.arange(count) / count
        out = np.max([x * np.cos(a) + y * np.sin(a) - inner for a in normals], axis=0)
        return np.asarray(np.clip(0.5 - out, 0, 1))


def scene(*seed: int) -> Scene:
    """The scene of that seed, the same each time."""
    rng = np.random.default_rng(seed)
    pixels = _ground(rng)
    placed: list[Box] = []
    boxes: list[Box] = []
    for number in range(int(rng.integers(1, 7))):
        klass = int(rng.integers(len(CLASSES)))
        shape = _place(rng, placed, klass, CLASSES[klass], number == 0)
        if shape is not None:
            _paint(rng, pixels, shape, CLASSES[klass])
            boxes.append(shape.box(klass))
    for _ in range(int(rng.integers(0, 4))):
        name = STRANGERS[int(rng.integers(len(STRANGERS)))]
        shape = _place(rng, placed, -1, name, False)
        if shape is not None:
            _paint(rng, pixels, shape, name)
    light = 1 + _slope(rng, 0.25)[..., None]
    noisy = pixels * light + rng.normal(0, rng.uniform(2, 7), pixels.shape)
    return Scene(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), tuple(boxes))


def _ground(rng: np.random.Generator) -> Floats:
    """Float (96, 128, 3): spots of several sizes, and stripes."""
    tint = np.array(GROUND) + rng.normal(0, 14, 3)
    spots = np.zeros((HEIGHT, WIDTH, 3))
    for cells, strength in ((4, 16.0), (16, 10.0)):
        coarse = rng.normal(0, strength, (cells * 3 // 4, cells, 3)) * (0.35, 0.35, 0.35)
        coarse += rng.normal(0, strength, (cells * 3 // 4, cells, 1))
        spots += _stretched(coarse)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 30)
    wave = np.sin((_COLUMNS * np.cos(angle) + _ROWS * np.sin(angle)) * 2 * np.pi / period)
    return np.asarray(tint + spots + rng.uniform(0, 12) * wave[..., None])


def _stretched(coarse: Floats) -> Floats:
    rows = np.clip(_ROWS[:, 0] / HEIGHT * coarse.shape[0] - 0.5, 0, coarse.shape[0] - 1.001)
    columns = np.clip(_COLUMNS[0] / WIDTH * coarse.shape[1] - 0.5, 0, coarse.shape[1] - 1.001)
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[:, None, None], (columns - left)[None, :, None]
    across = coarse[:, left] * (1 - right) + coarse[:, left + 1] * right
    return np.asarray(across[top] * (1 - down) + across[top + 1] * down)


def _slope(rng: np.random.Generator, most: float) -> Floats:
    """Light that falls from one side: (96, 128), at most ±most."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, most)
    along = (_COLUMNS / WIDTH - 0.5) * np.cos(angle) + (_ROWS / HEIGHT - 0.5) * np.sin(angle)
    return np.asarray(along * strength * np.sqrt(2))


def _place(rng: np.random.Generator, placed: list[Box], klass: int, name: str, first: bool) -> Shape | None:
    """A shape inside the picture that hides next to nothing of the others, or None where there is no room."""
    form = name.split()[1]
    for _ in range(20):
        low, high = (11.0, RADII[1]) if first else (RADII[0], 0.8 * RADII[1])
        radius = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        radius *= {"circle": 0.85, "square": 1.0, "triangle": 1.1}[form]
        place = rng.uniform((radius, radius), (WIDTH - radius, HEIGHT - radius))
        shape = Shape(form, float(place[0]), float(place[1]), radius, float(rng.uniform(0, 2 * np.pi)))
        box = shape.box(klass)
        fits = first or box.area * LARGEST_BY <= placed[0].area
        if fits and all(_hidden(box, other) < 0.1 for other in placed):
            placed.append(box)
            return shape
    return None


def _hidden(a: Box, b: Box) -> float:
    """What part of the smaller box the two share."""
    wide = min(a.x1, b.x1) - max(a.x0, b.x0)
    high = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(wide, 0) * max(high, 0) / min(a.area, b.area)


def _paint(rng: np.random.Generator, pixels: Floats, shape: Shape, name: str) -> None:
    colour = np.array(COLOURS[name.split(maxsplit=1)[0]]) * rng.uniform(0.75, 1.15) + rng.normal(0, 14, 3)
    shaded = colour * (1 + _slope(rng, 0.5)[shape.window()][..., None])
    cover = shape.cover()[..., None] * rng.uniform(0.85, 1)
    under = pixels[shape.window()]
    under += (shaded - under) * cover
