"""Rendered files → a folder. What others wrote is never overwritten, what is the same is left alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from edgepack.containers import text
from edgepack.errors import InputError

# JSON has no comments; this is how its first key is written.
_MADE_JSON = f'{{\n  "$comment": "{text.MADE.removeprefix("# ")}'.encode()
State = Literal["new", "changed", "same", "kept", "removed"]


def write(folder: Path, files: Mapping[str, str], once: Mapping[str, str], *, dry: bool) -> dict[str, State]:
    """What becomes of each file; ``once`` ones are kept where they are there. Raises InputError for a
    file that edgepack did not make, before anything is written."""
    states: dict[str, State] = {}
    try:
        for name, content in files.items():
            states[name] = _state(folder / name, content)
        for name in once:
            states[name] = "kept" if os.path.lexists(folder / name) else "new"
        for name, content in {**files, **once}.items():
            if not dry and states[name] in ("new", "changed"):
                _put(folder / name, content)
    except OSError as error:
        raise InputError(
            f"cannot write in {folder}",
            why=error.strerror or str(error),
            fix="make it writable, or name another folder: --into FOLDER",
        ) from error
    return states


def sweep(folder: Path, below: Sequence[str], files: Mapping[str, str], *, dry: bool) -> dict[str, State]:
    """Remove what edgepack made ``below`` at another time and makes no more: of a target, of a site."""
    gone = {str(file.relative_to(folder)): file for name in below for file in _made(folder / name)}
    left = {name: file for name, file in gone.items() if name not in files}
    for file in left.values():
        if not dry:
            file.unlink()
            with contextlib.suppress(OSError):  # not empty: something of the user's is there
                file.parent.rmdir()
    return dict.fromkeys(sorted(left), "removed")


def _made(folder: Path) -> Iterator[Path]:
    mark = text.MADE.encode()
    for file in sorted(folder.rglob("*.yaml")):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as stream:
                if stream.read(len(mark)) == mark:
                    yield file


def _state(file: Path, content: str) -> State:
    if not os.path.lexists(file):
        return "new"
    there = file.read_bytes() if file.is_file() else b""
    if there == content.encode():
        return "same"
    if not there.startswith((text.MADE.encode(), _MADE_JSON)):
        raise InputError(
            f"{file.name} is there, and edgepack did not make it",
            where=str(file),
            why=f"its first line does not begin with `{text.MADE}`",
            fix="move it away, or name another folder: --into FOLDER",
        )
    return "changed"


def _put(file: Path, content: str) -> None:
    """As a whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.write_text(content, encoding="utf-8")
    fresh.replace(file)
