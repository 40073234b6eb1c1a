"""This host's gdb: which one, and whether it knows the box's architecture."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools.runner import command, run

_NAMES = ("gdb-multiarch", "gdb")


def find(architecture: str) -> Path:
    """gdb for an architecture under gdb's own name for it (``aarch64``, ``riscv:rv64``).

    ``$EDGEPACK_GDB`` comes before those on PATH. Raises ToolError where there is none, or none that knows it.
    """
    named = os.environ.get("EDGEPACK_GDB", "")
    found = [path for path in map(shutil.which, [named] if named else _NAMES) if path]
    for path in found:
        if knows(Path(path), architecture):
            return Path(path)
    if not found:
        raise ToolError(
            f"EDGEPACK_GDB names no program: {named}" if named else "there is no gdb on this host",
            fix="apt install gdb-multiarch, or set EDGEPACK_GDB to the vendor's gdb",
        )
    raise ToolError(
        f"the gdb of this host does not know {architecture}",
        where=", ".join(found),
        why="it was built for other processors",
        fix="apt install gdb-multiarch, or set EDGEPACK_GDB to the vendor's gdb",
    )


def knows(gdb: Path, architecture: str) -> bool:
    """Whether it takes the architecture: its words for that are an error of the command."""
    asked = command(gdb, "-nx", "-batch", "-ex", f"set architecture {architecture}", timeout_s=60)
    done = run(asked)
    return done.ok and b"Undefined item" not in done.stdout + done.stderr
