"""Held-out images: what the trained model answered to each, beside what the box answers.

A folder with ``labels.csv``: ``file,label,reference``; reference is the trained model's own class, by
ONNX Runtime, through the training's own pre-processing.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgepack.errors import Exit, InputError

COLUMNS = ("file", "label", "reference")


@dataclass(frozen=True)
class Sample:
    """One image with the truth and the trained model's answer, both as text."""

    file: Path
    label: str
    reference: str


@dataclass(frozen=True)
class HeldOut:
    """All of them, in the file's order."""

    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Score:
    """How many answers were right, how many of the trained model's, and how many were the same."""

    of: int
    right: int
    reference_right: int
    same: int

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            **asdict(self),
            "accuracy": self.right / self.of,
            "reference_accuracy": self.reference_right / self.of,
        }

    def exit_code(self, max_drop: float) -> int:
        """0, or the code of a failed parity where the accuracy is lower by more than ``max_drop`` (0..1)."""
        return Exit.PARITY if (self.reference_right - self.right) / self.of > max_drop else Exit.OK


def load(folder: Path) -> HeldOut:
    """Read ``labels.csv``. Raises InputError with the line that is wrong."""
    file = folder / "labels.csv"
    try:
        with file.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("the held-out images cannot be read", where=str(file), why=str(error)) from None
    if not rows or tuple(rows[0]) != COLUMNS or len(rows) == 1:
        raise InputError(
            "labels.csv must begin with file,label,reference and have a line an image", where=str(file)
        )
    return HeldOut(tuple(_sample(folder, file, number, row) for number, row in enumerate(rows[1:], 2)))


def _sample(folder: Path, file: Path, line: int, row: list[str]) -> Sample:
    fits = len(row) == len(COLUMNS) and row[0] and PurePosixPath(row[0]).name == row[0]
    if not fits or not (folder / row[0]).is_file():
        raise InputError(
            "a line of labels.csv is wrong",
            where=f"{file}:{line}",
            why="it needs file,label,reference, and the file must lie beside it",
        )
    return Sample(folder / row[0], row[1], row[2])


def score(held: HeldOut, answers: Sequence[Mapping[str, Any]]) -> Score:
    """Compare answers (one a sample, in order, with the field ``class``) with truth and reference."""
    said = [str(answer.get("class")) for answer in answers]
    pairs = list(zip(held.samples, said, strict=True))
    return Score(
        of=len(pairs),
        right=sum(sample.label == answer for sample, answer in pairs),
        reference_right=sum(sample.label == sample.reference for sample, _ in pairs),
        same=sum(sample.reference == answer for sample, answer in pairs),
    )
