"""recipes/onnx/calibration.py, for real: sets of one class are told from sets of all, at any size."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from .asked import Report, ask
from .files import LENET
from .nets import DIGITS

VAL = DIGITS / "data" / "val"
GOLDEN = 64
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, int]]:
    """The held-out images: file and label."""
    lines = (line.split(",") for line in (VAL / "labels.csv").read_text().splitlines()[1:])
    return [(file, int(label)) for file, label, *_ in lines]


@pytest.fixture(scope="module")
def images(rows: list[tuple[str, int]]) -> np.ndarray:
    """They as the model takes them: (N, 1, 28, 28)."""
    sys.path.insert(0, str(DIGITS / "train"))
    try:
        import pipeline
    finally:
        sys.path.pop(0)
    pixels = [np.frombuffer((VAL / file).read_bytes()[-64:], np.uint8).reshape(8, 8) for file, _ in rows]
    return np.asarray(pipeline.prepare(np.stack(pixels)), np.float32)


def looked(folder: Path, calibration: np.ndarray, golden: np.ndarray) -> Report:
    np.savez(folder / "calibration.npz", image=calibration)
    np.savez(folder / "golden.npz", image=golden)
    files = {name: str(folder / f"{name}.npz") for name in ("calibration", "golden")}
    return ask("onnx", "calibration.py", LENET, **files)


@pytest.mark.parametrize(("seed", "count"), [(1, 8), (2, 32), (3, 64), (4, 128)])
def test_a_set_of_all_classes_is_not_complained_of(
    tmp_path: Path, images: np.ndarray, seed: int, count: int
) -> None:
    drawn = np.random.default_rng(seed).permutation(images)
    report = looked(tmp_path, drawn[:count], drawn[count : count + GOLDEN])
    assert (report["ok"], report["samples"], report["one_sided"]) == (True, count, False), report


@pytest.mark.parametrize("only", [0, 4, 9])
def test_a_set_of_one_class_is_one_sided(
    tmp_path: Path, rows: list[tuple[str, int]], images: np.ndarray, only: int
) -> None:
    of_it = np.array([label == only for _, label in rows])
    golden = np.random.default_rng(only).permutation(images)[:GOLDEN]
    report = looked(tmp_path, images[of_it], golden)
    assert report["one_sided"], report
    assert report["beyond"] > report["of"] / 4
    assert report["side"] in ("below", "above")


def test_one_sample_says_nothing_of_sides(tmp_path: Path, images: np.ndarray) -> None:
    report = looked(tmp_path, images[:1], images[1:21])
    assert not report["one_sided"], "20 of 20 beyond a range of one sample is chance"
