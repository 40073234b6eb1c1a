"""Which disks have no room: a program that runs out of it rarely says so in words that help."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from edgepack.tools import cache

_FULL = 1 << 20  # bytes; what any step here writes at least


def full(*folders: Path) -> tuple[str, ...]:
    """Those of the folders, the cache and the folder for temporary files whose disk is full."""
    looked_at = (*folders, cache.root(), Path(tempfile.gettempdir()))
    return tuple(str(f) for f in looked_at if f.is_dir() and shutil.disk_usage(f).free < _FULL)
