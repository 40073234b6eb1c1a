"""Darknet's ``.weights``: a header, then float32 numbers in the order of the layers.

Header (``load_weights_upto`` in Darknet's src/parser.c): int32 major, minor, revision, then the number of
images seen in training: 8 bytes from version 0.2 on, 4 before.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from cfg import Section
from edgepack_recipe import Refused


class Weights:
    """Read in order; ``left`` numbers were not asked for yet."""

    def __init__(self, file: Path) -> None:
        data = file.read_bytes()
        if len(data) < 16:
            what = f"{file.name} is cut off, or is no Darknet weights file"
            raise Refused("not-a-model", what, f"it has {len(data)} bytes", "copy it again")
        major, minor, _ = struct.unpack("<3i", data[:12])
        if not (0 <= major < 100 and 0 <= minor < 100):
            what = f"{file.name} is no Darknet weights file"
            raise Refused("not-a-model", what, f"its header says version {major}.{minor}")
        header = 20 if major * 10 + minor >= 2 else 16
        count = (len(data) - header) // 4
        self.numbers = np.frombuffer(data, "<f4", count=max(count, 0), offset=min(header, len(data)))
        self.at = 0
        self.name = file.name

    @property
    def left(self) -> int:
        return len(self.numbers) - self.at

    def take(self, layer: Section, *shape: int) -> np.ndarray:
        """Raises Refused where the file ends before."""
        count = int(np.prod(shape, dtype=np.int64))
        if count > self.left:
            raise Refused(
                "not-a-model",
                f"{self.name} ends before the weights of {layer.place}",
                f"{count:,} numbers are needed and {self.left:,} are left: it is cut off, holds only the "
                "first layers (as those to train on from do), or belongs to another cfg",
                "give the .weights file of the finished training of this very cfg",
            )
        found = self.numbers[self.at : self.at + count].reshape(shape)
        self.at += count
        if not np.isfinite(found).all():
            what = f"{self.name} holds numbers that are not finite, at {layer.place}"
            raise Refused("not-a-model", what, "the training diverged, or the file belongs to another cfg")
        return found
