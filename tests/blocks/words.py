"""Questions for the harness as it reads them, and its answers as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from edgepack_blocks.boxes import Detection
from edgepack_blocks.geometry import Geometry

from tests.compile.program_driver import Driver, listed

MODES = ("bilinear", "nearest", "area", "antialiased")


def array(values: Any) -> str:
    return tensor(values.shape, values.ravel())


def tensor(shape: Sequence[int], values: Iterable[float]) -> str:
    """Also one whose numbers are not as many as its shape says."""
    return f"{listed(shape)} {listed(values)}"


def place(where: Geometry) -> str:
    sides = (where.height, where.width, where.rows, where.columns)
    return " ".join(map(repr, (*sides, where.scale_y, where.scale_x, where.shift_y, where.shift_x)))


def text(value: str) -> str:
    return f"x{value.encode().hex()}"


def many(words: Iterable[str]) -> str:
    """A list of what is words already."""
    known = list(words)
    return " ".join([str(len(known)), *known])


def detections(found: Sequence[Detection]) -> str:
    rows = (
        " ".join([str(one.kind), *map(repr, map(float, (one.score, *one.sides))), text(one.name)])
        for one in found
    )
    return many(rows)


def numbers(values: Sequence[float | None]) -> Any:
    """JSON knows neither NaN nor infinity: both come as null."""
    return np.array([math.nan if value is None else value for value in values], np.float64)


def result(said: dict[str, Any]) -> Any:
    """The tensor of an answer."""
    assert "error" not in said, said
    return numbers(said["data"]).reshape(said["shape"])


def near(said: Any, wanted: Any, size: Any = None) -> None:
    """Within 1e-5 of the values' size, which is what they were computed of where that is larger."""
    expected = np.where(np.isfinite(wanted), wanted, np.nan)
    assert said.shape == expected.shape
    scale = np.maximum(np.abs(np.nan_to_num(expected)), 0 if size is None else size)
    assert np.array_equal(np.isnan(said), np.isnan(expected))
    assert np.all(np.abs(np.nan_to_num(said - expected)) <= 1e-5 * scale + 1e-30)


def refused(harness: Driver, *words: object) -> str:
    """The words of a refusal."""
    said = harness.ask(*words)
    assert set(said) == {"error"}, said
    return str(said["error"])
