"""A network whose every weight is known, as ncnn has it, and the same computation in NumPy.

image {1, 3, 4, 5} → convolution 2×2, 2 channels ("heat", {1, 2, 3, 4}) → fully connected ("logits", {1, 3}).
"""

from __future__ import annotations

from typing import Any

import numpy as np

PARAM = """\
7767517
5 6
Input          in0    0 1 in0
Convolution    conv   1 1 in0 heat 0=2 1=2 5=1 6=24
Split          split  1 2 heat out1 flat
Flatten        flat   1 1 flat flattened
InnerProduct   fc     1 1 flattened out0 0=3 1=1 2=72
"""
INPUT, LOGITS, HEAT = (1, 3, 4, 5), (1, 3), (1, 2, 3, 4)

_random = np.random.default_rng(7)
_KERNEL, _KERNEL_BIAS, _FULL, _FULL_BIAS = (
    _random.normal(size=shape).astype(np.float32) for shape in ((2, 3, 2, 2), (2,), (3, 24), (3,))
)


def weights() -> bytes:
    """ncnn's model.bin: float32 weights, each set after a flag of 0 (raw)."""
    flag = bytes(4)
    parts = (flag, _KERNEL, _KERNEL_BIAS, flag, _FULL, _FULL_BIAS)
    return b"".join(part if isinstance(part, bytes) else part.tobytes() for part in parts)


def computed(image: Any) -> tuple[Any, Any]:
    """(logits, heat) of an image {1, 3, 4, 5} of real numbers."""
    heat = np.zeros(HEAT, np.float64)
    for y in range(3):
        for x in range(4):
            window = image[0, :, y : y + 2, x : x + 2]
            heat[0, :, y, x] = np.tensordot(_KERNEL, window, 3) + _KERNEL_BIAS
    return _FULL @ heat.reshape(-1) + _FULL_BIAS, heat


def pixels() -> Any:
    """An image of bytes, {1, 3, 4, 5}."""
    return np.random.default_rng(3).integers(0, 256, INPUT, dtype=np.uint8)
