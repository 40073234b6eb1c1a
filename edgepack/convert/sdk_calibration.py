"""Calibration samples as files that vendors' toolkits read, without NumPy.

In: an ``.npz``, float32 (N, …) an input (docs/design/recipes.md). Out: ``<folder>/<input>/0000.npy`` and
whatever else the recipe asks for, and a list with a line a sample. The format of a header: NumPy's NEP 1.
"""

from __future__ import annotations

import ast
import contextlib
import re
import struct
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgepack.catalog.sdk import CalibrationFiles
from edgepack.errors import InputError


@dataclass(frozen=True)
class Samples:
    """Where they lie. list: a line a sample, the paths of its inputs' files apart by spaces."""

    folder: Path
    list: Path
    count: int


def file_name(tensor: str) -> str:
    """What a tensor's folder is called: its name with only what every tool takes in a path."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", tensor) or "_"


def export(npz: Path, inputs: Sequence[str], wanted: CalibrationFiles | None, folder: Path) -> Samples:
    """Write the samples below ``folder``. Raises InputError where an input has none, or they do not fit."""
    how = wanted or CalibrationFiles(source="the default of docs/design/recipes.md")
    counts: dict[str, int] = {}
    try:
        with zipfile.ZipFile(npz) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            for tensor in inputs:
                if tensor not in members:
                    raise _bad(npz, f"it has no samples for the input `{tensor}`")
                with archive.open(members[tensor]) as stream:
                    counts[tensor] = _export_one(stream, how, folder / file_name(tensor))
    except (OSError, zipfile.BadZipFile, ValueError, struct.error, EOFError) as error:
        raise _bad(npz, str(error)) from None
    if len(set(counts.values())) != 1 or 0 in counts.values():
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise _bad(npz, f"every input needs as many samples as the others, at least one ({told})")
    count = next(iter(counts.values()))
    suffix = next((kind for kind in how.files if kind != "stack"), "npy")
    listed = folder / "list.txt"
    listed.write_text("".join(_line(folder, inputs, number, suffix) for number in range(count)))
    return Samples(folder, listed, count)


def _line(folder: Path, inputs: Sequence[str], number: int, suffix: str) -> str:
    return " ".join(str(folder / file_name(name) / f"{number:04}.{suffix}") for name in inputs) + "\n"


def _export_one(stream: IO[bytes], how: CalibrationFiles, folder: Path) -> int:
    count, *rest = _header(stream)
    shape = tuple(rest)
    folder.mkdir(parents=True)
    turned = how.layout == "NHWC" and len(shape) == 3
    out = (*shape[1:], shape[0]) if turned else shape
    one = (1, *out) if how.batch else out
    with _stack(folder, how, (count, *out)) as stack:
        for number, sample in enumerate(_samples(stream, count, shape)):
            values = _channels_last(sample, shape[0]) if turned else sample
            raw, stem = values.tobytes(), folder / f"{number:04}"
            if "npy" in how.files:
                stem.with_suffix(".npy").write_bytes(_npy(one) + raw)
            if "bin" in how.files:
                stem.with_suffix(".bin").write_bytes(raw)
            if "txt" in how.files:
                stem.with_suffix(".txt").write_text("".join(f"{value!r}\n" for value in values))
            if stack is not None:
                stack.write(raw)
    return count


@contextlib.contextmanager
def _stack(folder: Path, how: CalibrationFiles, shape: tuple[int, ...]) -> Iterator[IO[bytes] | None]:
    """The file beside the folder with all of its samples, where the recipe wants one."""
    if "stack" not in how.files:
        yield None
        return
    with folder.with_name(folder.name + ".npy").open("wb") as file:
        file.write(_npy(shape))
        yield file


def _samples(stream: IO[bytes], count: int, shape: tuple[int, ...]) -> Iterator[array[float]]:
    size = 4
    for axis in shape:
        size *= axis
    for number in range(count):
        raw = stream.read(size)
        if len(raw) != size:
            raise ValueError(f"it ends in sample {number}")
        yield array("f", raw)


def _channels_last(sample: array[float], channels: int) -> array[float]:
    """(C, H, W) → (H, W, C)."""
    turned, plane = array("f", sample), len(sample) // channels
    for channel in range(channels):
        turned[channel::channels] = sample[channel * plane : (channel + 1) * plane]
    return turned


def _header(stream: IO[bytes]) -> tuple[int, ...]:
    """The shape of a float32 array in C order. Raises ValueError for any other."""
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY":
        raise ValueError("a member is not a NumPy array")
    wide = start[6] > 1
    (size,) = struct.unpack("<I" if wide else "<H", stream.read(4 if wide else 2))
    try:
        header = ast.literal_eval(stream.read(size).decode("latin-1").strip())
        descr, order, shape = header["descr"], header["fortran_order"], tuple(header["shape"])
    except (SyntaxError, KeyError, TypeError, ValueError):
        raise ValueError("a member's header cannot be read") from None
    if descr != "<f4" or order or len(shape) < 1:
        raise ValueError(f"samples must be float32 in C order, not {descr}")
    return tuple(int(axis) for axis in shape)


def _npy(shape: tuple[int, ...]) -> bytes:
    """A version 1.0 header for float32, padded so that the data begins at a multiple of 64."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape})
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1")


def _bad(npz: Path, why: str) -> InputError:
    return InputError("the calibration data cannot be used", where=str(npz), why=why)
