"""Whether this host itself stood still: a disk that is trimmed or written back can hold all for minutes.

A box that shares such a disk is silent meanwhile, whatever the deploy is: that says nothing of edgepack.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LONG_S = 5.0  # a write that is synced takes milliseconds, on a busy host some hundreds of them
_EACH_S = 0.5


@dataclass
class Stalls:
    """When a small write on the boxes' disk took longer than LONG_S: (begin, end), by the monotonic clock."""

    seen: list[tuple[float, float]] = field(default_factory=list)
    begun: float | None = None  # of the write that is under way

    def since(self, moment: float) -> float:
        """For how many seconds it stood still, all in all, after that moment."""
        now = time.monotonic()
        going = [(self.begun, now)] if self.begun is not None and now - self.begun > LONG_S else []
        return sum(end - max(begin, moment) for begin, end in (*self.seen, *going) if end > moment)


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Stalls]:
    """Writes a small file in ``folder`` again and again, until the end."""
    stalls, over = Stalls(), threading.Event()

    def work() -> None:
        with (folder / "host.watched").open("wb", buffering=0) as file:
            while not over.wait(_EACH_S):
                stalls.begun = begun = time.monotonic()
                file.write(b".")
                os.fsync(file.fileno())
                ended = time.monotonic()
                if ended - begun > LONG_S:
                    stalls.seen.append((begun, ended))
                stalls.begun = None

    watcher = threading.Thread(target=work, daemon=True)
    watcher.start()
    try:
        yield stalls
    finally:
        over.set()
        watcher.join(60)
