"""Git-LFS pointers: what lies in a checkout where the file itself was not fetched."""

from __future__ import annotations

from pathlib import Path

FIX = "run `git lfs install` once, then `git lfs pull`"
# The first line of each, and the most that one may have, by Git LFS's specification.
_VERSION = b"version https://git-lfs.github.com/spec/"
_MOST = 1024


def is_pointer(file: Path) -> bool:
    """Whether a file is only the note on where it is; False where it cannot be read."""
    try:
        if not file.is_file() or file.stat().st_size >= _MOST:
            return False
        with file.open("rb") as opened:
            return opened.read(len(_VERSION)) == _VERSION
    except OSError:
        return False


def words(name: str, others: int = 0) -> str:
    """What is told of one. others: how many more there are beside it."""
    if others:
        return (
            f"{name} and {others} more beside it are Git-LFS pointers: the files themselves were not fetched"
        )
    return f"{name} is a Git-LFS pointer: the file itself was not fetched"
