"""Calibration samples as vendors' toolkits read them, held to NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog.sdk import CalibrationFiles
from edgepack.convert import sdk_calibration
from edgepack.errors import InputError

IMAGES = np.random.default_rng(1).random((3, 2, 4, 5), np.float32)
VECTORS = np.random.default_rng(2).random((3, 7), np.float32)


def _export(folder: Path, how: dict[str, Any] | None = None, **arrays: Any) -> sdk_calibration.Samples:
    np.savez(folder / "calibration.npz", **(arrays or {"in/images": IMAGES, "vector": VECTORS}))
    wanted = CalibrationFiles(source="a test's", **how) if how is not None else None
    names = ["in/images", "vector"]
    return sdk_calibration.export(folder / "calibration.npz", names, wanted, folder / "made")


def test_arrays_are_those_of_the_file(tmp_path: Path) -> None:
    made = _export(tmp_path, {"files": ["npy", "bin", "txt", "stack"]})
    assert made.count == 3
    for number in range(3):
        array = np.load(made.folder / f"in_images/{number:04}.npy")
        assert array.shape == (1, 2, 4, 5)
        assert (array[0] == IMAGES[number]).all()
        raw = np.fromfile(made.folder / f"in_images/{number:04}.bin", np.float32)
        assert (raw == IMAGES[number].ravel()).all()
        text = np.loadtxt(made.folder / f"vector/{number:04}.txt").astype(np.float32)
        assert (text == VECTORS[number]).all()
    assert (np.load(made.folder / "in_images.npy") == IMAGES).all()
    lines = made.list.read_text().splitlines()
    assert lines[2] == f"{made.folder}/in_images/0002.npy {made.folder}/vector/0002.npy"


def test_channels_last_turns_images_alone(tmp_path: Path) -> None:
    made = _export(tmp_path, {"layout": "NHWC", "batch": False, "files": ["npy", "stack"]})
    image = np.load(made.folder / "in_images/0001.npy")
    assert (image == IMAGES[1].transpose(1, 2, 0)).all()
    assert (np.load(made.folder / "in_images.npy") == IMAGES.transpose(0, 2, 3, 1)).all()
    assert (np.load(made.folder / "vector/0001.npy") == VECTORS[1]).all()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an input without": ({"in/images": IMAGES}, "no samples for the input `vector`"),
    "another type": ({"in/images": IMAGES.astype(np.float64), "vector": VECTORS}, "must be float32"),
    "Fortran's order": ({"in/images": np.asfortranarray(IMAGES), "vector": VECTORS}, "C order"),
    "unlike numbers": ({"in/images": IMAGES[:2], "vector": VECTORS}, "as many samples as the others"),
    "none": ({"in/images": IMAGES[:0], "vector": VECTORS[:0]}, "at least one"),
}


@pytest.mark.parametrize(("arrays", "why"), WRONG.values(), ids=list(WRONG))
def test_what_does_not_fit_is_told(tmp_path: Path, arrays: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError) as raised:
        _export(tmp_path, None, **arrays)
    assert why in raised.value.why


def test_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", **{"in/images": IMAGES, "vector": VECTORS})
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    with pytest.raises(InputError):
        sdk_calibration.export(tmp_path / "cut.npz", ["vector"], None, tmp_path / "made")
