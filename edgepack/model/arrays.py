"""Tensors in ``.npz`` files, picked and laid out without NumPy: whole rows of C-ordered arrays.

An ``.npz`` is a zip of ``.npy`` files; the format of their headers: NumPy's NEP 1.
"""

from __future__ import annotations

import ast
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.errors import ToolError


@dataclass(frozen=True)
class Rows:
    """One array: ``descr`` as NumPy writes it, its shape with samples first, and its bytes."""

    descr: str
    shape: tuple[int, ...]
    data: bytes

    def npy(self) -> bytes:
        """As a ``.npy`` file, version 1.0: the header ends at a multiple of 64."""
        header = f"{{'descr': '{self.descr}', 'fortran_order': False, 'shape': {self.shape}, }}"
        padding = 63 - (10 + len(header)) % 64
        head = header.encode() + b" " * padding + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + self.data

    def row(self, number: int) -> bytes:
        """The bytes of one sample."""
        size = len(self.data) // self.shape[0]
        return self.data[number * size : (number + 1) * size]

    def numbers(self) -> list[float]:
        """One number a sample, of int64 or float32 (N,) or (N, 1)."""
        if math.prod(self.shape) != self.shape[0]:
            raise ValueError(f"{self.shape} is more than a number a sample")
        kind = {"<i8": "q", "<f4": "f"}[self.descr]
        return list(struct.unpack(f"<{self.shape[0]}{kind}", self.data))


def load(npz: Path) -> dict[str, Rows]:
    """All arrays by name. Raises ToolError where the file is none that edgepack's recipes write."""
    return dict(_members(npz))


def count(npz: Path) -> int:
    """How many samples it holds."""
    return min(rows.shape[0] for _, rows in _members(npz))


def spread(there: int, wanted: int) -> tuple[int, ...]:
    """``wanted`` numbers below ``there``, evenly spread; all of them where there are no more."""
    last = max(min(wanted, there) - 1, 1)
    return tuple(sorted({round(i * (there - 1) / last) for i in range(min(wanted, there))}))


def pick(npz: Path, samples: Sequence[int], out: Path) -> Path:
    """Write those samples of every array to ``out``; returns it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, rows in _members(npz):
            data = b"".join(rows.row(number) for number in samples)
            archive.writestr(f"{name}.npy", Rows(rows.descr, (len(samples), *rows.shape[1:]), data).npy())
    return out


def write(found: Mapping[str, Rows], out: Path) -> Path:
    """Write the arrays to ``out``, the same to the byte each time; returns it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, rows in found.items():
            # A ZipInfo of its own has no time of writing.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), rows.npy())
    return out


def renamed(npz: Path, prefix: str, out: Path) -> Path:
    """Write the arrays whose names begin with ``prefix`` to ``out``, without it; returns it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, rows in _members(npz):
            if name.startswith(prefix):
                archive.writestr(f"{name.removeprefix(prefix)}.npy", rows.npy())
    return out


def reordered(found: Mapping[str, Rows], names: Sequence[str], order: Sequence[str], out: Path) -> Path:
    """Write under each of ``names`` the array that ``order`` has in its place; returns ``out``."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, other in zip(names, order, strict=True):
            archive.writestr(f"{name}.npy", found[other].npy())
    return out


def lay_out(npz: Path, names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Each named array as a ``.npy`` of its own in ``folder``, in that order."""
    found = load(npz)
    missing = [name for name in names if name not in found]
    if missing:
        raise ToolError(f"{npz.name} has no {missing[0]}", where=str(npz))
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, name in enumerate(names):
        files[name] = folder / f"{number}.npy"
        files[name].write_bytes(found[name].npy())
    return files


def _members(npz: Path) -> Iterator[tuple[str, Rows]]:
    try:
        with zipfile.ZipFile(npz) as archive:
            for info in archive.infolist():
                yield info.filename.removesuffix(".npy"), _rows(archive.read(info))
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, SyntaxError, struct.error) as error:
        raise ToolError(f"{npz.name} does not hold tensors", where=str(npz), why=str(error)) from None


def _rows(data: bytes) -> Rows:
    if data[:6] != b"\x93NUMPY":
        raise ValueError("no NumPy header")
    size, start = struct.unpack("<H", data[8:10])[0], 10
    if data[6] > 1:
        size, start = struct.unpack("<I", data[8:12])[0], 12
    header = ast.literal_eval(data[start : start + size].decode("latin-1").strip())
    shape = tuple(int(axis) for axis in header["shape"])
    if not shape or shape[0] == 0 or (header["fortran_order"] and sum(axis > 1 for axis in shape) > 1):
        raise ValueError(f"shape {shape}: samples come first, in C order")
    return Rows(str(header["descr"]), shape, data[start + size :])
