"""A belt under the camera: shapes that move, drawn picture by picture, for rules to count. Needs NumPy alone.

    python train/belt.py FOLDER

The files' times are the pictures': five a second, from Monday 2026-01-12 09:00 UTC on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scenes

BEGIN = 1768208400.0  # seconds since 1970
STEP = 0.2  # seconds from picture to picture
PICTURES = 80


@dataclass(frozen=True)
class Thing:
    """One shape on its way: where its centre is at which picture, straight from one to the next."""

    name: str
    radius: float
    turn: float
    way: tuple[tuple[int, float, float], ...]  # picture, x, y

    def at(self, picture: int) -> scenes.Shape | None:
        """Where it is, or None before its way and after it."""
        when, x, y = zip(*self.way, strict=True)
        if not when[0] <= picture <= when[-1]:
            return None
        place = (float(np.interp(picture, when, x)), float(np.interp(picture, when, y)))
        return scenes.Shape(self.name.split()[1], *place, self.radius, self.turn)


THINGS = (
    Thing(
        "red square", 16, 0.4, ((0, 20, 28), (30, 105, 28), (79, 105, 28))
    ),  # to the right, and stays there
    Thing(
        "blue circle", 13, 0.0, ((5, 18, 72), (40, 108, 72), (50, 108, 72))
    ),  # to the right, and is taken away
    Thing("yellow triangle", 17, 0.2, ((52, 106, 72), (79, 24, 72))),  # against the belt
    Thing(
        "green triangle", 17, 1.0, ((32, 22, 25), (50, 46, 25), (72, 24, 25))
    ),  # not over the middle, and back
)
"""The last picture in which each is seen is the last of its way."""


def pictures() -> Iterator[scenes.Bytes]:
    """Each picture in turn: uint8 (96, 128, 3)."""
    rng = np.random.default_rng((3, 2026))
    ground = scenes._ground(rng)
    colours = [np.array(scenes.COLOURS[thing.name.split(maxsplit=1)[0]], np.float64) for thing in THINGS]
    for number in range(PICTURES):
        pixels = ground.copy()
        for thing, colour in zip(THINGS, colours, strict=True):
            shape = thing.at(number)
            if shape is not None:
                cover = shape.cover()[..., None] * 0.95
                under = pixels[shape.window()]
                under += (colour - under) * cover
        noisy = pixels + rng.normal(0, 3, pixels.shape)
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures()):
        file = folder / f"{number:03}.ppm"
        file.write_bytes(b"P6 %d %d 255\n" % (scenes.WIDTH, scenes.HEIGHT) + picture.tobytes())
        moment = BEGIN + number * STEP
        os.utime(file, (moment, moment))


if __name__ == "__main__":
    main()
