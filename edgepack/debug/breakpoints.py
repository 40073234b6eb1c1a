"""Which breakpoints gdb has put into the program, read from what it says to gdbserver.

A gdbserver that loses its gdb lets the program go with its breakpoints in it, and the first that is come to
kills it. So the box is told beforehand what would take them out. Source: gdb's manual, "Remote Protocol",
packets `z` and `Z`.
"""

from __future__ import annotations

import re

# A packet is `$` data `#` two digits; in data, `$` and `#` are escaped, so both are seen as they stand.
_PLACED = re.compile(rb"\$([zZ])([0-4],[0-9a-f]+,[0-9a-f]+)[^#$]*#")
_LONGEST = 4096  # of a packet that matters; conditions make them long


class Breakpoints:
    """Fed with gdb's bytes in whatever pieces they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._placed: dict[bytes, None] = {}

    def feed(self, chunk: bytes) -> bool:
        """Whether the breakpoints are others now."""
        before = list(self._placed)
        text = self._rest + chunk
        end = 0
        for found in _PLACED.finditer(text):
            end = found.end()
            if found[1] == b"Z":
                self._placed[found[2]] = None
            else:
                self._placed.pop(found[2], None)
        begun = text.rfind(b"$", end)
        self._rest = text[begun:][:_LONGEST] if begun >= 0 and b"#" not in text[begun:] else b""
        return list(self._placed) != before

    def undo(self) -> bytes:
        """The packets that take them all out."""
        return b"".join(_packet(b"z" + where) for where in self._placed)


def _packet(data: bytes) -> bytes:
    return b"$%s#%02x" % (data, sum(data) & 0xFF)
