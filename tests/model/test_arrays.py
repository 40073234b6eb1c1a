"""Rows of tensors picked without NumPy are those that NumPy would pick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.errors import ToolError
from edgepack.model import arrays

VALUES = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    both: dict[str, Any] = {"a/b": VALUES, "other": np.arange(5)}
    np.savez(tmp_path / "all.npz", **both)
    return tmp_path / "all.npz"


def test_picked_rows_are_those_of_numpy(npz: Path, tmp_path: Path) -> None:
    with np.load(arrays.pick(npz, [4, 1], tmp_path / "some.npz")) as found:
        assert np.array_equal(found["a/b"], VALUES[[4, 1]])
        assert found["other"].tolist() == [4, 1]
    assert arrays.count(npz) == 5


def test_each_array_is_a_file_in_the_order_asked_for(npz: Path, tmp_path: Path) -> None:
    files = arrays.lay_out(npz, ["other", "a/b"], tmp_path / "laid")
    assert list(files) == ["other", "a/b"]
    assert np.array_equal(np.load(files["a/b"]), VALUES)
    with pytest.raises(ToolError, match="no nothing"):
        arrays.lay_out(npz, ["nothing"], tmp_path / "laid")


def test_names_and_orders_change_and_values_do_not(npz: Path, tmp_path: Path) -> None:
    with np.load(arrays.renamed(npz, "a/", tmp_path / "renamed.npz")) as found:
        assert found.files == ["b"]
    out = arrays.reordered(arrays.load(npz), ["a/b", "other"], ["other", "a/b"], tmp_path / "turned.npz")
    with np.load(out) as found:
        assert np.array_equal(found["other"], VALUES)


@pytest.mark.parametrize(
    ("there", "wanted", "chosen"), [(5, 9, (0, 1, 2, 3, 4)), (5, 3, (0, 2, 4)), (9, 1, (0,)), (1, 1, (0,))]
)
def test_samples_are_spread(there: int, wanted: int, chosen: tuple[int, ...]) -> None:
    assert arrays.spread(there, wanted) == chosen


def test_what_holds_no_tensors_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ToolError, match="does not hold tensors"):
        arrays.load(tmp_path / "bad.npz")
