"""The lock on a box for the time of one deploy, and who holds it."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from edgepack.box.session import Box
from edgepack.errors import EdgepackError

_held: set[str] = set()  # of this process, in whichever thread: what is not in it was lost with its link


@dataclass(frozen=True)
class Lease:
    """``token``: what every changing call shows. ``undone``: a switch that nobody confirmed was undone."""

    token: str
    undone: bool


@contextlib.contextmanager
def held(box: Box, lock: str) -> Iterator[Lease]:
    """Hold the box's lock, and with it repair what a broken deploy left half-way.

    ``lock``: what the probe said of a lock that is there. One whose holder was a process of this
    machine that lives no more is taken over at once. Raises LockedError.
    """
    token = secrets.token_hex(8)
    said = box.call("lock", token, owner(), *_dead(lock))
    _held.add(token)
    try:
        yield Lease(token, any(line.startswith("undone ") for line in said))
    finally:
        _held.discard(token)
        # A link that broke took the lock with it: it ends by itself.
        if box.alive:
            with contextlib.suppress(EdgepackError):
                box.call("unlock", token, silence_s=10)


def owner() -> str:
    """``user@machine:pid`` of this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return re.sub(r"[^A-Za-z0-9@._:-]", "_", f"{user}@{socket.gethostname()}:{os.getpid()}")


def _dead(lock: str) -> tuple[str, ...]:
    """The token of a lock whose holder is known to be gone."""
    words = lock.split()
    if len(words) != 4:
        return ()
    token, _, _, holder = words
    ours, _, _ = owner().rpartition(":")
    theirs, _, pid = holder.rpartition(":")
    if theirs != ours or not pid.isdigit():
        return ()
    if int(pid) == os.getpid():
        return () if token in _held else (token,)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return (token,)
    except OSError:
        return ()
    return ()
