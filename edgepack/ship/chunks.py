"""Chunks of files that a box has and this host does not: what another laptop shipped is a base too.

The box cuts its files where their content says so and names each piece; what the new file has in common with
them is copied on the box. What a box says may be wrong or meant ill: the file that comes of it has its sha256
checked there as any other, and is sent whole where that is another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgepack.box.errors import BoxError
from edgepack.box.facts import Facts
from edgepack.box.session import Box

_CHUNK = re.compile(r"chunk ([1-9][0-9]{0,6} [0-9a-f]{32})")


@dataclass(frozen=True)
class Chunks:
    """``lines``: ``BYTES NAME`` of each chunk, in the file's order (edgepack/box/native/chunks.h)."""

    lines: tuple[str, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    def text(self, sha256: str) -> bytes:
        """What the encoder reads: of a file with that digest."""
        return "".join(f"{line}\n" for line in (sha256, *self.lines)).encode()


Ask = Callable[[Sequence[str]], Mapping[str, Chunks]]
"""From sha256 sums of files on a box to their chunks; those that the box does not tell are not there."""


def nobody(_sums: Sequence[str]) -> Mapping[str, Chunks]:
    """Where no box can be asked."""
    return {}


def asking(box: Box, facts: Facts) -> Ask:
    """Ask a box, by the helper that it has. One that has none, or an older one, tells nothing."""

    def ask(sums: Sequence[str]) -> Mapping[str, Chunks]:
        if not facts.helpers:
            return {}
        try:
            return read(box.call("chunks", min(facts.helpers), *sums))
        except BoxError:
            return {}

    return ask


def read(said: Sequence[str]) -> dict[str, Chunks]:
    """What a box said, by sha256: ``file SHA256``, then ``chunk BYTES NAME``. Other lines are passed over."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in said:
        if line.startswith("file "):
            lines = found.setdefault(line.removeprefix("file "), [])
        elif match := _CHUNK.fullmatch(line):
            lines.append(match[1])
    return {sha: Chunks(tuple(lines)) for sha, lines in found.items() if lines}
