"""The only module that prints: results on stdout, progress and errors on stderr.

On a terminal, running steps show live with their seconds; elsewhere each start and end is one plain
line. With ``--json`` stdout carries one JSON object and nothing else.
"""

from __future__ import annotations

import json as json_module
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgepack.errors import EdgepackError, Exit

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_LONG_S = 2.0
_NOTE_S = 10.0
_PATIENCE_S = 60.0
_COLORS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1", "cyan": "36"}


class Interrupted(EdgepackError):
    """Ctrl-C, for ``--json``."""

    exit_code = Exit.INTERRUPTED


class Screen:
    """What the user sees. Thread-safe: steps report from their own threads."""

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self._lock = threading.RLock()
        self._running: dict[str, tuple[float, str]] = {}
        self._live: Live | None = None
        self._noted: dict[str, float] = {}

    # ---- results

    def text(self, line: str = "") -> None:
        """One line of the result, for people; at once, since somebody may follow it through a pipe."""
        if not self.json:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def result(self, value: Mapping[str, Any] | Sequence[Any]) -> None:
        """The result for machines; nothing without ``--json``."""
        if self.json:
            json_module.dump(value, sys.stdout, indent=2, default=str, ensure_ascii=False)
            sys.stdout.write("\n")
            sys.stdout.flush()  # whoever waits for it may read a pipe of a command that goes on

    def raw(self, data: str) -> None:
        """A document that the user asked for by name (a schema, a script): as it is."""
        sys.stdout.write(data)

    def rows(self, rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
        """Columns, padded to their widest cell."""
        lines = [list(header)] * bool(header) + [list(row) for row in rows]
        if self.json or not lines:
            return
        widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
        for number, row in enumerate(lines):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            sys.stdout.write(
                self.paint(line, "dim", sys.stdout) + "\n" if header and number == 0 else line + "\n"
            )

    def paint(self, text: str, color: str, stream: Any = None) -> str:
        """Colour where a terminal shows it and the user has not said NO_COLOR."""
        stream = stream or sys.stderr
        if os.environ.get("NO_COLOR") or not stream.isatty() or os.environ.get("TERM") == "dumb":
            return text
        return f"\033[{_COLORS[color]}m{text}\033[0m"

    def remark(self, line: str) -> None:
        """One line beside the result, on stderr, also with ``--quiet``; ``--json`` has it in its object."""
        if not self.json:
            self._plain(line)

    # ---- errors

    def error(self, error: EdgepackError) -> None:
        """What happened, where, why, what to do."""
        self.stop()
        if self.json:
            json_module.dump(error.as_dict(), sys.stdout, indent=2, ensure_ascii=False)
            sys.stdout.write("\n")
            return
        out = [f"{self.paint('error:', 'red')} {error.what}"]
        for problem in error.problems:
            path = f"{problem.path}: " if problem.path else ""
            out.append(f"  {self.paint(problem.place(), 'bold')}  {path}{problem.message}")
            if problem.hint:
                out.append(f"      {self.paint(problem.hint, 'cyan')}")
        if error.where and not error.problems:
            out.append(f"  where: {error.where}")
        if error.why:
            out.append(f"  why:   {error.why}")
        if error.detail:
            out += [f"  {self.paint('|', 'dim')} {line}" for line in error.detail.splitlines()]
        if error.fix:
            out.append(f"  {self.paint('do:', 'green')}    {error.fix}")
        sys.stderr.write("\n".join(out) + "\n")

    def interrupted(self) -> None:
        """After Ctrl-C."""
        kept = "what was finished is kept, the same command goes on from there"
        if self.json:
            self.error(Interrupted("interrupted", why=kept))
            return
        self.stop()
        sys.stderr.write(f"\ninterrupted; {kept}\n")

    # ---- progress

    def started(self, name: str, note: str = "") -> None:
        """A step begins."""
        with self._lock:
            self._running[name] = (time.monotonic(), note)
            if self._quiet_now():
                return
            if self._fancy():
                self._refresh()
            else:
                # A line for what takes long; what ends at once is told by its end alone.
                self._look_again(name, _LONG_S, None)

    def _look_again(self, name: str, after_s: float, told: str | None) -> None:
        timer = threading.Timer(after_s, self._still_running, [name, self._running[name][0], told])
        timer.daemon = True
        timer.start()

    def _still_running(self, name: str, since: float, told: str | None) -> None:
        """Plain output: what a step that goes on says now, and that it goes on where it says nothing."""
        with self._lock:
            now = self._running.get(name)
            if now is None or now[0] != since:
                return
            seconds = time.monotonic() - since
            quiet = now[1] == told and seconds - self._noted.get(name, 0.0) < _PATIENCE_S
            if not quiet:
                self._noted[name] = seconds
                note = f": {now[1]}" if now[1] else ""
                self._plain(f"  … {name}{note}  ({seconds:.0f} s)")
            self._look_again(name, _NOTE_S, now[1])

    def note(self, name: str, note: str) -> None:
        """A step has something new to say of itself; plain output shows one in a while."""
        with self._lock:
            since = self._running.get(name, (time.monotonic(), ""))[0]
            self._running[name] = (since, note)
            if self._quiet_now():
                return
            if self._fancy():
                self._refresh()

    def done(self, name: str, note: str = "", *, good: bool = True) -> None:
        """A step has ended."""
        with self._lock:
            since, _ = self._running.pop(name, (time.monotonic(), ""))
            if self._quiet_now():
                return
            mark = self.paint("✓", "green") if good else self.paint("✗", "red")
            seconds = f"{time.monotonic() - since:6.1f} s"
            line = f"  {mark} {name:<34} {self.paint(seconds, 'dim')}  {note}".rstrip()
            if self._live is not None:
                self._refresh()
                self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self._plain(line)

    def headline(self, text: str) -> None:
        """What the command is about to do."""
        if not self._quiet_now():
            self._plain(self.paint(text, "bold"))

    def stop(self) -> None:
        """Take the live display away."""
        with self._lock:
            self._running.clear()
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _quiet_now(self) -> bool:
        return self.quiet or self.json

    def _fancy(self) -> bool:
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def _plain(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def _refresh(self) -> None:
        if self._live is None and self._running:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True)
            self._live = Live(
                console=console, get_renderable=self._table, refresh_per_second=8, transient=True
            )
            self._live.start()
        elif self._live is not None and not self._running:
            self._live.refresh()

    def _table(self) -> Table:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for name, (since, note) in list(self._running.items()):
            grid.add_row(
                Text(" "),
                Spinner("dots"),
                Text(f"{name:<34}"),
                Text(f"{now - since:6.1f} s ", "dim"),
                Text(note),
            )
        return grid


def amount(count: float) -> str:
    """Bytes as people read them: ``1.2 MB`` (powers of ten, as links and disks are sold)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
