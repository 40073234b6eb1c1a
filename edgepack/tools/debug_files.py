"""Debug files by build-id, laid out as gdb and debuginfod look for them: ``.build-id/ab/cdef….debug``.

Source: gdb's manual, "Debugging Information in Separate Files". Each holds the whole program.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from edgepack.tools import cache

_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{6,126}\.debug")


def folder() -> Path:
    """gdb's ``debug-file-directory``: whatever was built here, also in other projects."""
    return cache.root() / "symbols"


def place(build_id: str, root: Path | None = None) -> Path:
    """Where the file of that build-id (hexadecimal digits) lies, or would lie."""
    return (root or folder()) / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"


def known(root: Path | None = None) -> dict[str, Path]:
    """Build-id → file, of all that are below a folder."""
    there = (root or folder()) / ".build-id"
    found = {}
    for path in sorted(there.glob("*/*.debug")):
        name = path.relative_to(there).as_posix()
        if _NAME.fullmatch(name) and path.is_file():
            found[name.replace("/", "").removesuffix(".debug")] = path
    return found


def keep(build_id: str, file: Path, root: Path | None = None) -> Path:
    """Have a file found by its build-id: a link to what the cache holds anyway, else a copy."""
    there = place(build_id, root)
    if there.is_file():
        return there
    there.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=there.parent) as aside:
        beside = Path(aside) / "file"
        if not _linked(file, beside):
            shutil.copyfile(file, beside)
            with contextlib.suppress(OSError):
                beside.chmod(0o444)
        beside.replace(there)
    return there


def _linked(file: Path, beside: Path) -> bool:
    """Whether it is a link: never to a user's file, which the next build may write over."""
    if not file.is_relative_to(cache.root()):
        return False
    with contextlib.suppress(OSError):
        os.link(file, beside)
        return True
    return False
