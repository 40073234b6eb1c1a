"""Darknet networks with seeded weights, as text and bytes: Darknet's files need no framework to be made."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

NET = "[net]\nbatch=1\nwidth=48\nheight=32\nchannels=3\n"

DETECTOR = """
[convolutional]   # 0
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky
[convolutional]   # 1
batch_normalize=1
filters=16
size=3
stride=2
pad=1
activation=mish
[convolutional]   # 2
batch_normalize=1
filters=16
size=3
stride=1
pad=1
groups=4
activation=swish
[shortcut]        # 3
from=-2
activation=linear
[maxpool]         # 4
size=2
stride=2
[convolutional]   # 5
batch_normalize=1
filters=16
size=1
stride=1
pad=1
activation=leaky
[route]           # 6
layers=-1
groups=2
group_id=1
[convolutional]   # 7
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky
[route]           # 8
layers=-1,-2,5
[maxpool]         # 9
size=5
stride=1
[convolutional]   # 10
filters=21
size=1
stride=1
pad=1
activation=linear
[yolo]            # 11
mask=1,2,3
anchors=10,14, 23,27, 37,58, 81,82
classes=2
num=4
[route]           # 12
layers=9
[upsample]        # 13
stride=2
[route]           # 14
layers=-1,3
[maxpool]         # 15
size=2
stride=1
[convolutional]   # 16
filters=21
size=1
stride=1
pad=1
activation=linear
[yolo]            # 17
mask=0,1,2
anchors=10,14, 23,27, 37,58, 81,82
classes=2
num=4
"""

CLASSIFIER = """
[convolutional]   # 0
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[convolutional]   # 1
filters=12
size=3
stride=1
padding=1
activation=relu
[avgpool]         # 2
[dropout]         # 3
probability=.5
[connected]       # 4
output=5
activation=linear
[softmax]         # 5
groups=1
"""


def write(folder: Path, layers: str, counts: list[tuple[str, int, int]], seed: int = 5) -> tuple[Path, Path]:
    """``net.cfg`` and ``net.weights``. counts: for each layer with weights, in order, ``norm`` or ``bias``,
    its outputs, and how many weights an output has."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    for kind, out, inside in counts:
        bias, weight = rng.standard_normal(out) * 0.1, rng.standard_normal(out * inside) * np.sqrt(2 / inside)
        norm = [rng.uniform(0.5, 1.5, out), rng.standard_normal(out) * 0.1, rng.uniform(0.5, 1.5, out)]
        parts += [bias, *(norm if kind == "norm" else []), weight]
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    cfg.write_text(NET + layers)
    numbers = np.concatenate(parts).astype("<f4").tobytes()
    weights.write_bytes(struct.pack("<3iq", 0, 2, 5, 32013312) + numbers)
    return cfg, weights


DETECTOR_COUNTS = [
    ("norm", 8, 27),
    ("norm", 16, 72),
    ("norm", 16, 36),
    ("norm", 16, 16),
    ("norm", 8, 72),
    ("bias", 21, 32),
    ("bias", 21, 48),
]
CLASSIFIER_COUNTS = [("norm", 8, 27), ("bias", 12, 72), ("bias", 5, 12)]
