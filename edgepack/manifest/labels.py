"""Names of classes: in the manifest, or a line each in a file of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from edgepack.manifest.words import InsidePath, matching

Label = Annotated[str, matching(r"[^\x00]{1,200}", "this is 1 to 200 characters")]

_MOST = 10000
_LONGEST = 200


class FromFile(list[str]):
    """The labels that a file has; ``file`` is its name in the project."""

    def __init__(self, labels: list[str], file: str) -> None:
        super().__init__(labels)
        self.file = file


def _kind(value: Any) -> str:
    return "file" if isinstance(value, str) else "list"


Labels = Annotated[
    Annotated[list[Label], Field(max_length=_MOST), Tag("list")] | Annotated[InsidePath, Tag("file")],
    Discriminator(_kind),
]
"""A list, or the name of a file; ``edgepack.manifest.project.load`` makes `FromFile` of it."""


def read(path: Path, file: str) -> FromFile:
    """The labels in a file, a line each. Raises ValueError with the line that is wrong."""
    if path.stat().st_size > _MOST * (4 * _LONGEST + 2):
        raise ValueError(f"{file} is larger than {_MOST} labels can be")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None
    lines = [line.strip() for line in text.rstrip().split("\n")]
    if not any(lines):
        raise ValueError(f"{file} has no labels: one a line")
    if len(lines) > _MOST:
        raise ValueError(f"{file} has {len(lines)} lines, and at most {_MOST} labels are taken")
    for number, line in enumerate(lines, 1):
        if not 1 <= len(line) <= _LONGEST or not line.isprintable():
            why = "is empty" if not line else "is no label: 1 to 200 characters that can be printed"
            raise ValueError(f"{file}, line {number} {why}; a line is a class, in the order of the model")
    return FromFile(lines, file)
