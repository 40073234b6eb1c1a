"""Golden vectors are what the contract says, or refused with the reason."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.model import golden
from edgepack.model.errors import GoldenError

GOOD: dict[str, Any] = {
    "input": np.zeros((3, 8, 8), np.uint8),
    "output.logits": np.zeros((3, 10), np.float32),
    "record.class": np.arange(3),
    "record.confidence": np.ones(3, np.float32),
}


def write(path: Path, arrays: dict[str, Any]) -> Path:
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def test_names_and_members(tmp_path: Path) -> None:
    file = write(tmp_path / "golden.npz", GOOD)
    assert golden.names(file) == golden.Names(3, ("logits",), ("class", "confidence"))
    golden.unpack(file, tmp_path / "out")
    assert np.array_equal(np.load(tmp_path / "out" / "record.class.npy"), np.arange(3))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(f"{n}.npy" for n in GOOD)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"input": None}, "must hold `input`"),
        ({"output.logits": None}, "at least one `output"),
        ({"output.logits": np.zeros((3, 10))}, "has the type <f8; it must be <f4"),
        ({"input": np.zeros((3, 8, 8), np.int16)}, "has the type <i2; it must be <f4 or |u1"),
        ({"input": np.zeros((3, 8), np.uint8)}, "`input` is uint8, pictures, of the shape [3, 8]"),
        (
            {"input": np.zeros((3, 2, 8, 8), np.float32)},
            "`input` is float32, sound, of the shape [3, 2, 8, 8]",
        ),
        ({"input": np.zeros((3, 65, 8), np.float32)}, "`input` is float32, sound, of the shape [3, 65, 8]"),
        ({"record.class": np.arange(2)}, "same number of samples"),
        ({"output.logits": np.asfortranarray(np.zeros((3, 10), np.float32))}, "in C order"),
        ({"labels": np.arange(3)}, "is no name for a golden vector"),
        ({name: array[:0] for name, array in GOOD.items()}, "at least one"),
    ],
)
def test_what_is_not_golden_vectors_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    arrays = {name: array for name, array in {**GOOD, **change}.items() if array is not None}
    with pytest.raises(GoldenError) as caught:
        golden.names(write(tmp_path / "golden.npz", arrays))
    assert why in str(caught.value.why)


@pytest.mark.parametrize(
    ("given", "sound", "why"),
    [
        (np.zeros((3, 8, 8), np.uint8), False, ""),
        (np.zeros((3, 8, 8), np.uint8), None, ""),
        (np.zeros((3, 8, 8), np.uint8), True, "pictures, and `logmel` in `pre` takes sound"),
        (np.zeros((3, 400), np.float32), True, ""),
        (np.zeros((3, 2, 400), np.float32), True, ""),
        (np.zeros((3, 400), np.float32), None, ""),
        (np.zeros((3, 400), np.float32), False, "sound, and `pre` takes pictures"),
    ],
)
def test_inputs_are_what_pre_takes(tmp_path: Path, given: Any, sound: bool | None, why: str) -> None:
    file = write(tmp_path / "golden.npz", {**GOOD, "input": given})
    if not why:
        golden.check_inputs(file, sound)
        return
    with pytest.raises(GoldenError) as caught:
        golden.check_inputs(file, sound)
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ({"logits": [1, 10]}, ""),
        ({"logits": [1, 10, 1, 1]}, ""),  # the same numbers
        ({"logit": [1, 10]}, "no output `logits`; did you mean `output.logit`?"),
        ({"scores": [1, 10]}, "no output `logits`; it has: scores"),
        ({"scores": [1, 10]}, "; by their sizes `output.logits` fits `scores`"),
        ({"logits": [1, 10], "heat": [1, 4, 4]}, "it lacks `output.heat`"),
        ({"logits": [1, 11]}, "`output.logits` has the shape [10] a sample, and the model gives [1, 11]"),
    ],
)
def test_vectors_of_another_model_are_refused(
    tmp_path: Path, outputs: dict[str, list[int]], why: str
) -> None:
    file = write(tmp_path / "golden.npz", GOOD)
    if not why:
        golden.check(file, outputs)
        return
    with pytest.raises(GoldenError) as caught:
        golden.check(file, outputs)
    assert why in caught.value.why


def test_hostile_archives_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "golden.npz", GOOD).read_bytes()
    header = b"\x93NUMPY\x01\x00\x10\x00__import__('os') "
    for name, content in {
        "cut.npz": whole[: len(whole) // 2],
        "text.npz": b"hello",
        "code.npz": _zip({"input.npy": header, "output.x.npy": header}),
        "path.npz": _zip({"../input.npy": b"", "input.npy": b""}),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GoldenError):
            golden.members(tmp_path / name)


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_outputs_in_another_order_are_told_by_their_sizes(tmp_path: Path) -> None:
    extra = {"output.near": np.zeros((3, 4, 4), np.float32), "output.far": np.zeros((3, 2, 2), np.float32)}
    file = write(tmp_path / "golden.npz", {**GOOD, **extra})
    golden.check(file, {"logits": [1, 10], "near": [1, 4, 4], "far": [1, 2, 2]})
    with pytest.raises(GoldenError) as caught:
        golden.check(file, {"logits": [1, 10], "near": [1, 2, 2], "far": [1, 4, 4]})
    assert caught.value.what == "golden.npz has the outputs in another order than the model"
    assert caught.value.why == "by their sizes `output.far` fits `near`, `output.near` fits `far`"
    assert "asked for by name" in caught.value.fix
    with pytest.raises(GoldenError) as caught:
        golden.check(file, {"logits": [1, 4], "near": [1, 10], "far": [1, 7]})
    assert caught.value.what == "golden.npz does not hold golden vectors"
