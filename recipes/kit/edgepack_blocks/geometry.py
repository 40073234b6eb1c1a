"""Where the model's input lies in the picture as it came: what `pre` did to places, for `post` to undo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Geometry:
    """now = picture * scale + shift, an axis each; from edge to edge: a pixel's middle is its index + 0.5.

    height, width: of the picture as it came. rows, columns: of what it is now. All in pixels.
    """

    height: int
    width: int
    rows: int
    columns: int
    scale_y: float = 1.0
    scale_x: float = 1.0
    shift_y: float = 0.0
    shift_x: float = 0.0

    @classmethod
    def of(cls, picture: np.ndarray) -> Geometry:
        """Of a picture (C, H, W) that nothing was done to."""
        _, height, width = picture.shape
        return cls(height, width, height, width)

    def stretched(self, rows: int, columns: int) -> Geometry:
        """It has that size now."""
        down, across = rows / self.rows, columns / self.columns
        return replace(
            self,
            rows=rows,
            columns=columns,
            scale_y=self.scale_y * down,
            scale_x=self.scale_x * across,
            shift_y=self.shift_y * down,
            shift_x=self.shift_x * across,
        )

    def moved(self, top: int, left: int, rows: int, columns: int) -> Geometry:
        """Its first row and column lie there now, in something of another size."""
        return replace(
            self, rows=rows, columns=columns, shift_y=self.shift_y + top, shift_x=self.shift_x + left
        )

    def picture_x(self, x: float) -> float:
        """Where that lies in the picture as it came, inside of it."""
        return min(max((x - self.shift_x) / self.scale_x, 0.0), float(self.width))

    def picture_y(self, y: float) -> float:
        """The same of rows."""
        return min(max((y - self.shift_y) / self.scale_y, 0.0), float(self.height))
