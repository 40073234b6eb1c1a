"""The second stream of a session: a word every few seconds, by which the box sees that we are still there."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

from edgepack.box.session import Box
from edgepack.debug import on_box
from edgepack.errors import EdgepackError

_WORD = b"."


@contextlib.contextmanager
def held(box: Box, token: str) -> Iterator[Callable[[bytes], None]]:
    """While the context lasts; what it gives sends a line of its own, at once."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    thread = threading.Thread(target=_say, args=(box, token, lines), daemon=True)
    thread.start()
    try:
        yield lines.put
    finally:
        lines.put(None)
        thread.join(on_box.WORD_S)


def _say(box: Box, token: str, lines: queue.SimpleQueue[bytes | None]) -> None:
    # Where the link is gone, so is the session: its own stream tells.
    with (
        contextlib.suppress(OSError, EdgepackError),
        box.talk(on_box.line(box.endpoint.root, token, "leash")) as stream,
    ):
        line: bytes | None = _WORD
        while line is not None:
            stream.send(line + b"\n")
            try:
                line = lines.get(timeout=on_box.WORD_S)
            except queue.Empty:
                line = _WORD
