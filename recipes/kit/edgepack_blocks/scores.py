"""The blocks of `post` that take numbers: softmax, sigmoid, the best of them, and text.

Outputs are float arrays without a batch axis. Raises ValueError for what a block does not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    """``exp(x) / sum(exp(x))`` over the last axis, float64; a row with a NaN is all NaN."""
    _filled(x)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        highest = np.fmax.reduce(wide, axis=-1, keepdims=True)
        parts = np.exp(wide - np.where(np.isnan(highest), -np.inf, highest))
        return np.asarray(parts / parts.sum(axis=-1, keepdims=True))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-x))`` of each number, float64."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-np.asarray(x, np.float64))))


def topk(scores: np.ndarray, k: int = 1, labels: Sequence[str] = ()) -> dict[str, Any]:
    """The ``k`` best of all numbers: ``class``, ``score``, ``top`` (class, score, class, score …).

    With labels also ``name`` and ``names``. Of two alike the lower class comes first; a NaN is never among
    them, and where there is nothing else ``class`` is -1.
    """
    _filled(scores)
    values = scores.ravel()
    if labels and len(labels) != len(values):
        raise ValueError("as many labels as classes")
    order = [int(i) for i in np.argsort(-values, kind="stable") if not np.isnan(values[i])][:k]
    record: dict[str, Any] = {"class": order[0] if order else -1, "score": values[order[0]] if order else 0.0}
    if labels:
        record["name"] = labels[order[0]] if order else "nothing"
    record["top"] = [number for i in order for number in (float(i), values[i])]
    if labels:
        record["names"] = [labels[i] for i in order]
    return record


def best(values: np.ndarray, axis: int) -> np.ndarray:
    """The index of the largest number along an axis; of two alike the first. NaN counts as the smallest."""
    return np.asarray(np.argmax(np.where(np.isnan(values), -np.inf, values), axis=axis))


def ctc(output: np.ndarray, alphabet: Sequence[str], blank: int = 0) -> dict[str, Any]:
    """Greedy decoding of (steps, classes), (steps, 1, classes) or (1, steps, classes).

    The best class of each step; repeats once, blanks not at all (Graves et al. 2006, best path decoding).
    ``score`` is the mean of the characters' values at the step where each begins, 0 for no text.
    """
    steps = output
    if steps.ndim == 3 and 1 in steps.shape[:2]:
        steps = steps[:, 0] if steps.shape[1] == 1 else steps[0]
    if steps.ndim != 2 or steps.shape[1] != len(alphabet) + 1 or blank > len(alphabet):
        raise ValueError("as many classes as characters and a blank")
    classes = [*alphabet[:blank], "", *alphabet[blank:]]
    before, text = blank, ""
    values: list[float] = []
    for step in steps:
        # A step with nothing but NaN and minus infinity says nothing.
        now = int(best(step, 0)) if np.any(step > -np.inf) else blank
        if now not in (blank, before):
            text += classes[now]
            values.append(float(step[now]))
        before = now
    return {"text": text, "score": float(np.mean(values)) if values else 0.0}


def _filled(x: np.ndarray) -> None:
    if x.ndim == 0 or x.size == 0:
        raise ValueError("an output without numbers")
