"""Golden vectors on a box that cannot hold two programs: the one that runs is paused for them.

Whether it can is found by trying, unless ``pause:`` of the node says it. On the box: box/sh/pause.sh.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edgepack.box.session import Box

# What a program ends with that found no room: it was killed for want of memory, or could not load its
# model and said a word of this kind. One that crashes, or whose model is broken, gets no second try: an
# outage of the old one would be its price.
_KILLED, _NO_MODEL = "exit 137", "exit 4"
_NO_ROOM = re.compile(r"memory|alloc|busy|in use|resource|exhausted", re.IGNORECASE)


def verify(
    box: Box, token: str, app: str, release: str, limit_s: int, tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """What the box says of a staged release's ``verify``; ``paused SECONDS`` where it paused what runs."""
    words = ("verify", token, app, release, str(limit_s))
    how = box.endpoint.pause
    if how != "always":
        lines = box.call(*words)
        if how == "never" or not _had_no_room(lines) or not _runs(box, app):
            return lines
        tell("it did not start beside the program that runs: that one is paused for the golden vectors")
    return box.call(*words, "pause")


def seconds(lines: Sequence[str]) -> int:
    """For how long nothing answered; 0 where nothing was paused."""
    found = next((line.removeprefix("paused ") for line in lines if line.startswith("paused ")), "0")
    return int(found) if found.isdigit() else 0


def _had_no_room(lines: Sequence[str]) -> bool:
    said = "\n".join(line for line in lines if line.startswith(("=", "! ")))
    return _KILLED in lines or (_NO_MODEL in lines and _NO_ROOM.search(said) is not None)


def _runs(box: Box, app: str) -> bool:
    return any(line.startswith("program yes ") for line in box.call("status", app))
