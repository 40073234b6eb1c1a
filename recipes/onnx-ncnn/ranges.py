"""How large the numbers are that go into each layer, and where to cut them off, from calibration data."""

from __future__ import annotations

import numpy as np

BINS = 2048
LEVELS = 128  # of |x| in int8
PERCENT = 99.99
METHODS = ("percentile", "minmax", "kl")  # the first is the default: on LeNet-5 the nearest


class Histogram:
    """Of |x|, over samples that come one by one. The range is known before: see ``largest``."""

    def __init__(self, largest: float) -> None:
        self.largest = largest
        self.counts = np.zeros(BINS)

    def add(self, values: np.ndarray) -> None:
        """One more sample."""
        size = np.abs(values).ravel()
        self.counts += np.histogram(size[size > 0], BINS, (0, self.largest or 1.0))[0]

    def threshold(self, method: str) -> float:
        """The value that becomes 127; larger ones are cut off."""
        if method == "minmax" or not self.counts.any():
            return self.largest
        width = self.largest / BINS
        if method == "percentile":
            share = np.cumsum(self.counts) / self.counts.sum() * 100
            return float(np.searchsorted(share, PERCENT) + 1) * width
        return (least_divergence(self.counts) + 0.5) * width


def least_divergence(counts: np.ndarray) -> int:
    """The number of bins to keep so that the histogram, cut off there and rounded to 128 levels, has the
    least Kullback-Leibler divergence from the one that is only cut off (Migacz, 8-bit Inference with
    TensorRT, GTC 2017)."""
    best, kept = np.inf, BINS
    for bins in range(LEVELS, BINS + 1, 8):
        cut = counts[:bins].copy()
        cut[-1] += counts[bins:].sum()
        level = np.arange(bins) * LEVELS // bins
        there = counts[:bins] > 0
        sums = np.bincount(level, counts[:bins], LEVELS)
        filled = np.bincount(level, there, LEVELS)
        rounded = np.where(there, sums[level] / np.maximum(filled[level], 1), 0)
        divergence = _divergence(cut, rounded)
        if divergence < best:
            best, kept = divergence, bins
    return kept


def _divergence(wanted: np.ndarray, given: np.ndarray) -> float:
    p, q = wanted / wanted.sum(), given / max(given.sum(), 1e-12)
    some = p > 0
    return float((p[some] * np.log(p[some] / np.maximum(q[some], 1e-10))).sum())
