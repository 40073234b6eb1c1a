"""A large YAML file parsed once: what it says is kept as JSON, by the digest of its bytes.

YAML is slow to read: 10,000 nodes written out take seconds, and most commands want one of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from edgepack import document
from edgepack.document import Document, Path_
from edgepack.tools import cache

LARGE = 64 << 10
"""Bytes; what is smaller is parsed as quickly as looked up."""

_FORM = 1  # of what is kept
_DEPTH = 2  # so deep (``nodes``, a node's name) lines are kept, too


class _Lines(Mapping[Path_, int]):
    """Lines of the outermost values; where a deeper one is asked for, the file is parsed after all."""

    def __init__(self, near: Mapping[Path_, int], raw: bytes, file: Path, shown: str) -> None:
        self._near = near
        self._parse = partial(document.parse, raw, file, shown, len(raw))
        self._all: Mapping[Path_, int] | None = None

    def _every(self) -> Mapping[Path_, int]:
        if self._all is None:
            self._all = self._parse().lines
        return self._all

    def __getitem__(self, path: Path_) -> int:
        return self._near[path] if len(path) <= _DEPTH else self._every()[path]

    def __iter__(self) -> Iterator[Path_]:
        return iter(self._every())

    def __len__(self) -> int:
        return len(self._every())


def read(file: Path, shown: str, most: int) -> Document:
    """As ``document.read``. What is kept and cannot be read is parsed again and written anew."""
    try:
        raw = file.read_bytes() if file.stat().st_size in range(LARGE, most + 1) else None
    except OSError:
        raw = None
    if raw is None:
        return document.read(file, shown, most)
    kept = cache.root() / "parsed" / f"{hashlib.sha256(raw).hexdigest()}-{_FORM}.json"
    try:
        said = json.loads(kept.read_bytes())
        near = {tuple(path): line for path, line in said["lines"]}
        return Document(file, shown, said["data"], _Lines(near, raw, file, shown))
    except (OSError, ValueError, KeyError, TypeError):
        parsed = document.parse(raw, file, shown, most)
        with contextlib.suppress(OSError, TypeError, ValueError):  # a full disk, what JSON cannot say
            _keep(kept, parsed)
        return parsed


def _keep(kept: Path, parsed: Document) -> None:
    near = [[path, line] for path, line in parsed.lines.items() if len(path) <= _DEPTH]
    text = json.dumps({"data": parsed.data, "lines": near}, allow_nan=False)
    kept.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=kept.parent)
    try:
        with open(handle, "w") as out:
            out.write(text)
        Path(name).replace(kept)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
