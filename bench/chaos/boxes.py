"""Boxes to be struck: how each is reached, its files as this host sees them, and its processes by kind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.chaos.releases import APP
from edgepack.box.endpoint import Endpoint
from edgepack.box.session import Box as Session
from edgepack.sandbox import box as sandbox
from edgepack.sandbox import processes
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run

SESSION, GUARD, SUPERVISOR, PROGRAM = KINDS = ("session", "guard", "supervisor", "program")


@dataclass(frozen=True)
class Reach:
    """What ``fleet.yaml`` says of a box, but for the port, which is a link's."""

    port: int
    user: str
    identity: Path
    host_key: str

    def node(self, port: int) -> dict[str, Any]:
        return {
            "target": host_arch(), "address": "127.0.0.1", "port": port, "user": self.user,
            "identity": str(self.identity), "host_key": self.host_key, "boot": "never",
        }  # fmt: skip


class Box(Protocol):
    """``root`` is edgepack's folder there."""

    @property
    def kind(self) -> str: ...
    @property
    def reach(self) -> Reach: ...
    @property
    def root(self) -> Path: ...
    def pids(self) -> set[int]:
        """All processes of the box but its SSH server's own."""

    def inside(self, program: str, *words: str) -> Sequence[str]:
        """The argv that runs a program below ``root`` on the box."""

    def fill(self, what: str, left: int) -> None:
        """Leave so many ``pages`` or ``inodes`` on its disk."""

    def empty(self) -> None:
        """Undo that."""

    def down(self) -> None: ...


class Sandbox:
    """edgepack's own sandbox: any account's, on this host's file system, by the host's sshd or paramiko."""

    kind = "sandbox"

    def __init__(self, project: Path, name: str) -> None:
        self._project, self._name = project, name
        state = sandbox.up(project, name, host_arch(), host_arch(), lambda *_: None)
        self.reach = Reach(state.port, state.user, Path(state.identity), state.host_key)
        self.root = project / ".edgepack" / "sandbox" / name / "root" / "home" / "edgepack"
        self._server = state.pid

    def pids(self) -> set[int]:
        return processes.below(self._server)

    def inside(self, program: str, *words: str) -> Sequence[str]:
        return (str(self.root / program), *words)

    def fill(self, what: str, left: int) -> None:
        # plan.py draws no full disk for these: it would be everybody's.
        raise ValueError(f"a sandbox has its host's disk: no {what} of it is filled, down to {left}")

    def empty(self) -> None:
        """Nothing was filled."""

    def down(self) -> None:
        sandbox.down(self._project, self._name)


def by_kind(box: Box) -> dict[str, set[int]]:
    """The box's processes: who watches and works for good, and what a deploy's session has started."""
    found: dict[str, set[int]] = {SESSION: set(), GUARD: set(), SUPERVISOR: set(), PROGRAM: set()}
    for pid in box.pids():
        line = processes.arguments(pid)
        if not line or b"sshd" in line[0] or b"dropbear" in line[0]:
            continue
        if b"supervise" in line:
            found[SUPERVISOR].add(pid)
        elif b"guard" in line:
            found[GUARD].add(pid)
        elif line[0].endswith(f"/bin/{APP}".encode()) and b"run" in line:
            found[PROGRAM].add(pid)
        elif not _of_a_watcher(pid):
            found[SESSION].add(pid)
    return found


def _of_a_watcher(pid: int) -> bool:
    """Whether this is what a supervisor or a guard sleeps with, or asks the time."""
    parent = processes.arguments(_parent(pid))
    return b"supervise" in parent or b"guard" in parent


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0


def kill(box: Box, *kinds: str) -> int:
    """SIGKILL to all of these kinds, again until none is left; how many there were."""
    struck = 0
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = by_kind(box)
        pids = set().union(*(found[kind] for kind in kinds))
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                struck += 1
        time.sleep(0.005)
        if SESSION in kinds and len(kinds) < 4:
            break  # the SSH server may begin another call of the deployer's meanwhile: that one is not struck
    return struck


def running(box: Box) -> tuple[list[str], int]:
    """The releases whose programs run, one an entry, and how many supervisors there are."""
    found = by_kind(box)
    releases = []
    for pid in found[PROGRAM]:
        line = processes.arguments(pid)
        if line:
            releases.append(Path(os.fsdecode(line[0])).parent.parent.name)
    table = processes.table()
    heads = [pid for pid in found[SUPERVISOR] if table.get(pid) not in found[SUPERVISOR] and pid in table]
    return sorted(releases), len(heads)


def told(box: Box) -> str:
    """What each process of the box is, and what it waits for in the kernel: of a box that does not get on."""
    words = []
    for pid in sorted(box.pids()):
        with contextlib.suppress(OSError):
            waits = Path(f"/proc/{pid}/wchan").read_text()
            line = b" ".join(processes.arguments(pid)).decode("utf-8", "replace")
            words.append(f"{pid} in {waits}: {line[-120:]}")
    return "; ".join(words)


def said(box: Box, command: str) -> int:
    """The exit status of a command line on the box, as its account runs it by SSH."""
    at = box.reach
    where = Endpoint("box", "127.0.0.1", at.port, at.user, at.identity, at.host_key)
    with Session(where) as session:
        return session.exec(command, silence_s=90).rc


def proof(box: Box) -> int:
    """The exit status of the current release's own golden vectors, there."""
    argv = box.inside(f"apps/{APP}/current/bin/{APP}", "verify")
    return run(command(*argv, timeout_s=120)).returncode


def rebooted(box: Box) -> None:
    """All that runs is gone, at once; then what starts the box's programs with the box."""
    kill(box, SESSION, GUARD, SUPERVISOR, PROGRAM)
    (script,) = box.root.glob("bin/box-*.sh")
    said(box, f"sh edgepack/bin/{script.name} edgepack boot")


def emptied(box: Box) -> None:
    """As it came: nothing of edgepack runs or lies there."""
    kill(box, SESSION, GUARD, SUPERVISOR, PROGRAM)
    shutil.rmtree(box.root, ignore_errors=True)
