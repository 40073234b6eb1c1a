"""An imported model held to what a reader that is not the converter computes, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.recipes.trying import Floats, Result, reference

NETS = Path(__file__).parent / "nets"


def recorded(name: str) -> dict[str, Floats]:
    """Inputs and outputs by name, as the maker of a test network recorded them."""
    with np.load(NETS / name, allow_pickle=False) as found:
        return {key: np.asarray(found[key], np.float32) for key in found.files}


def hold(result: Result, inputs: Mapping[str, Floats], wanted: Mapping[str, Floats]) -> dict[str, float]:
    """Each output's largest difference, relative to the largest value; fails where one is not near."""
    given = reference(result.out / "model.onnx", inputs, list(wanted))
    found = {}
    for name, value in given.items():
        other = wanted[name]
        assert value.shape == other.shape, name
        a, b = value.ravel().astype(np.float64), other.ravel().astype(np.float64)
        assert a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) >= 0.99999, name
        found[name] = float(np.abs(a - b).max() / np.abs(b).max())
        assert found[name] <= 1e-4, name
        assert b.std() > 1e-4, f"{name} says nothing"
    return found
