"""The processes of a sandbox: which they are, and how they are ended.

Two marks, because each alone can be lost. Everything a session starts is born with the sandbox's
folder in its environment (``EDGEPACK_SANDBOX``), and everything descends from the box's server,
which adopts what its children leave behind (it is a "subreaper", prctl(2)). A program that clears
its environment still descends; one that outlived a killed server still bears the mark.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

MARK = "EDGEPACK_SANDBOX"
SERVER = "edgepack.sandbox.server"  # the module that a box's server runs

_STOP_S = 10.0

_PROC = Path("/proc")


def table() -> dict[int, int]:
    """pid → parent's pid, of every process that has not ended."""
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # proc(5): "pid (name) state ppid …", where the name may hold blanks and brackets
                rest = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                if rest[0] not in "ZX":
                    found[int(entry.name)] = int(rest[1])
    return found


def below(pid: int) -> set[int]:
    """Every process that descends from ``pid``, without ``pid`` itself."""
    parents = table()
    found: set[int] = set()
    grown = {pid}
    while grown:
        grown = {child for child, parent in parents.items() if parent in grown} - found
        found |= grown
    return found


def marked(folder: Path) -> set[int]:
    """Every process born with this sandbox's mark, except this one and those it runs under."""
    mark = f"{MARK}={folder}".encode()
    parents = table()
    own = _line(os.getpid(), parents)
    return {pid for pid in parents if pid not in own and mark in environment(pid)}


def servers(folder: Path) -> set[int]:
    """The pids of this sandbox's server: one, or none."""
    return {pid for pid in marked(folder) if SERVER.encode() in arguments(pid)}


def stop_server(folder: Path) -> set[int]:
    """End the server, which ends all that descends from it; returns the pids that would not."""
    return end(lambda: servers(folder), _STOP_S)


def environment(pid: int) -> list[bytes]:
    """``NAME=value`` as the process was started with; empty where it may not be read, or has ended."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def arguments(pid: int) -> list[bytes]:
    """The process's command line; empty where there is none."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def end(members: Callable[[], set[int]], grace_s: float) -> set[int]:
    """End all ``members()``, also those that appear meanwhile: asked first, after ``grace_s`` made to.

    Returns what is still there, which is nothing unless the kernel holds it or it is another user's.
    """
    asked: set[int] = set()
    start = time.monotonic()
    while left := members():
        waited = time.monotonic() - start
        if waited > grace_s + 5:
            return left
        patient = waited < grace_s
        for pid in left - asked if patient else left:
            _send(pid, signal.SIGTERM if patient else signal.SIGKILL)
        asked |= left
        time.sleep(0.05)
    return set()


def _send(pid: int, sign: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, sign)


def _line(pid: int, parents: dict[int, int]) -> set[int]:
    """``pid`` and its ancestors."""
    found = set()
    while pid in parents and pid not in found:
        found.add(pid)
        pid = parents[pid]
    return found
