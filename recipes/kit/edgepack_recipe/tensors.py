"""Tensors in files: ``.npz``, one float32 array (N, ...) a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np


def load(file: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` by name, as float32; never unpickles."""
    with np.load(str(file), allow_pickle=False) as found:
        return {name: found[name].astype(np.float32) for name in found.files}


def samples(file: Path) -> Iterator[dict[str, np.ndarray]]:
    """One sample after the other, each with the batch of 1 that the model's input has."""
    arrays = load(file)
    count = min(len(array) for array in arrays.values())
    for number in range(count):
        yield {name: np.ascontiguousarray(array[number : number + 1]) for name, array in arrays.items()}


def save(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write float32 arrays, in C order; names may hold what file names may not."""
    whole = {name: np.asarray(array, dtype=np.float32, order="C") for name, array in arrays.items()}
    np.savez(str(file), **whole)


def stacked(outputs: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Outputs of N samples, each (1, ...), as one array (N, ...) a name."""
    return {name: np.concatenate([np.asarray(o[name]) for o in outputs]) for name in outputs[0]}
