"""How far outputs may be from the trained model's, by precision.

The figures are those that fit trained models measured on six toolkits (docs/design/whole-way.md):
fp32 differs by the order of sums alone, fp16 by its 11-bit significand.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgepack.manifest.project import Parity


@dataclass(frozen=True)
class Gates:
    """cosine: the least per sample; max_abs: the largest difference, relative to max(1, |reference|max)."""

    cosine: float
    max_abs: float


_DEFAULTS = {"fp32": Gates(0.9999, 1e-3), "fp16": Gates(0.999, 2e-2)}


def gates_for(parity: Parity, precision: str) -> Gates:
    """The manifest's gates, and the precision's own where it says nothing."""
    default = _DEFAULTS[precision]
    return Gates(parity.cosine or default.cosine, parity.max_abs or default.max_abs)
