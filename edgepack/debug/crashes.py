"""What a program says when it crashes, with functions and lines in it.

Its form is in templates/program/src/crash.hpp. A box may say anything: what does not have that form to the
letter is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.debug.dwarf import Frame, Symbols

_BEGIN = re.compile(
    r"crash: begin build-id=([0-9a-f]{8,128}|) signal=SIG[A-Z]{2,8} number=\d{1,3}"
    r"(?: code=\d{1,10} address=0x[0-9a-f]{1,16}| from=\d{1,20}) thread=\d{1,20}",
    re.ASCII,
)
_FRAME = re.compile(r"crash: frame ([\w.\[\]?-]{1,200})\+0x([0-9a-f]{1,16})", re.ASCII)
_MOST_FRAMES = 64  # a program tells of 40
_MOST_PROGRAMS = 16  # whose symbols are looked for in one log


@dataclass
class Told:
    """A log, line by line. find: the debug file of a build-id, or None; bring: what to do then."""

    find: Callable[[str], Path | None]
    bring: str
    _symbols: dict[str, Symbols | None] = field(default_factory=dict)
    _program: Symbols | None = None  # of the crash that is being told
    _frames: int = 0

    def lines(self, line: str) -> Iterator[str]:
        """What to show of it: itself, made printable, and what is known of it besides."""
        begins, frame = _BEGIN.fullmatch(line), _FRAME.fullmatch(line)
        if begins:
            yield line
            yield from self._begin(begins[1])
        elif frame:
            yield from self._frame(line, frame[1], int(frame[2], 16))
        else:
            if line == "crash: end":
                self._program = None
            yield printable(line)

    def _begin(self, build_id: str) -> Iterator[str]:
        """Who crashed; one sentence where its functions cannot be told."""
        from edgepack.debug.dwarf import Symbols
        from edgepack.debug.dwarf_forms import Damaged

        self._frames = 0
        self._program = None
        if build_id not in self._symbols:
            if len(self._symbols) >= _MOST_PROGRAMS:
                return
            self._symbols[build_id] = None
            file = self.find(build_id) if build_id else None
            if not build_id:
                yield "edgepack: this program bears no build-id, so its symbols cannot be found"
            elif file is None:
                yield f"edgepack: the symbols of build-id {build_id} are not here; {self.bring}"
            else:
                try:
                    self._symbols[build_id] = Symbols(file)
                except Damaged as error:
                    yield f"edgepack: the symbols of build-id {build_id} cannot be read: {error}"
        self._program = self._symbols[build_id]

    def _frame(self, line: str, module: str, offset: int) -> Iterator[str]:
        from edgepack.debug.dwarf_forms import Damaged

        first = self._frames == 0
        self._frames += 1
        frames: tuple[Frame, ...] = ()
        if module == "program" and self._program is not None and self._frames <= _MOST_FRAMES:
            try:
                # The first is where it failed; the others are where it would have returned to, past a call.
                frames = self._program.at(offset if first else offset - 1)
            except Damaged as error:
                self._program = None
                yield f"edgepack: the symbols cannot be read: {error}"
        if not frames:
            yield line
            return
        yield f"{line} {_words(frames[0])}"
        yield from (f"crash:   inlined into {_words(frame)}" for frame in frames[1:])


def _words(frame: Frame) -> str:
    place = f", {_shown(frame.file)}:{frame.line}" if frame.file and frame.line else ""
    return printable(frame.function + place)


def _shown(file: str) -> str:
    """The user's files as their project has them; zig's libraries without the folder of zig."""
    if file.startswith("/user/"):
        return file.removeprefix("/user/")
    _, found, rest = file.rpartition("/ziglang/lib/")
    return f"/zig/{rest}" if found else file


def printable(line: str) -> str:
    """What would move a terminal's cursor, or turn the reading direction, is shown as what it is."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line)
