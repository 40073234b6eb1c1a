"""Processes of the box that a server starts and reaps: its sessions, and whatever those leave behind.

Not through ``tools/runner``: these are not programs that edgepack runs for itself, to be ended with
it, but the box's own, which live on when a client goes away. ``posix_spawn`` because the server has
threads, and a fork of those is not safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

# What Python or the developer's shell (nohup) may have told this process to ignore.
_DEFAULT_AGAIN = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGPIPE,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGXFSZ,
)


class Child:
    """One process that was started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = threading.Event()
        self._code = 0

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def wait(self) -> int:
        """Its exit status; 128 + n where signal n ended it, as a shell says it."""
        self._ended.wait()
        return self._code if self._code >= 0 else 128 - self._code

    def signal(self, sign: signal.Signals) -> None:
        """Send a signal to its whole process group."""
        if not self.ended:
            try:
                os.killpg(self.pid, sign)
            except ProcessLookupError:
                return

    def set_ended(self, code: int) -> None:
        self._code = code
        self._ended.set()


class Children:
    """Starts processes in sessions of their own, and adopts and reaps everything below this one."""

    def __init__(self) -> None:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lock = threading.Lock()
        self._known: dict[int, Child] = {}
        self._some = threading.Event()
        threading.Thread(target=self._reap, name="reaper", daemon=True).start()

    def spawn(
        self,
        argv: Sequence[str | bytes],
        env: Mapping[str, str | bytes],
        stdio: tuple[int, int, int] | str,
    ) -> Child:
        """Start ``argv`` (an absolute path first) with three open files, or with a terminal's path.

        Raises OSError where it cannot be started.
        """
        actions: list[Any] = []
        if isinstance(stdio, str):
            # Opened by the leader of a new session, a terminal becomes the session's own.
            actions.append((os.POSIX_SPAWN_OPEN, 0, stdio, os.O_RDWR, 0))
            actions += [(os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2)]
        else:
            actions += [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio)]
        with self._lock:  # the reaper cannot come between the start and the entry
            pid = os.posix_spawn(
                argv[0],
                list(argv),
                dict(env),
                file_actions=actions,
                setsid=True,
                setsigmask=[],
                setsigdef=_DEFAULT_AGAIN,
            )
            child = self._known[pid] = Child(pid)
        self._some.set()
        return child

    def _reap(self) -> None:
        while True:
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                self._some.wait()
                self._some.clear()
                continue
            if seen is None:
                continue
            with self._lock:
                _, status = os.waitpid(seen.si_pid, 0)
                child = self._known.pop(seen.si_pid, None)
            if child is not None:
                child.set_ended(os.waitstatus_to_exitcode(status))
