"""Where edgepack keeps what is slow to make: outside every project, safe to delete at any time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def root() -> Path:
    """``$EDGEPACK_CACHE``, else ``$XDG_CACHE_HOME/edgepack``, else ``~/.cache/edgepack``."""
    named = os.environ.get("EDGEPACK_CACHE")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base).absolute() / "edgepack"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold ``path`` + ``.lock`` for this process and thread, so that two builds make a thing once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
