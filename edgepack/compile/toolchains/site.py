"""What a build reads and where it writes: a compiler that is elsewhere has to be shown it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """Folders, absolute. reads: sources and what is linked. writes: what is made, the build's folder first.

    project: whose fleet.yaml names the nodes; of its folder only C and C++ files are sources, and it is not
    in ``reads``. texts: whether the compiler's licences are wanted.
    """

    writes: tuple[Path, ...]
    reads: tuple[Path, ...] = ()
    project: Path | None = None
    texts: bool = False

    def with_links(self) -> Iterable[Path]:
        """``reads``, and what lies behind links in their upper folders: a vendor's headers are."""
        for place in self.reads:
            yield place
            yield from (p.resolve() for p in sorted(place.glob("*/*")) if p.is_symlink())
