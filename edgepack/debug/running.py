"""What runs on a box, as a debugger needs it; and whether the box would let one in."""

from __future__ import annotations

from dataclasses import dataclass

from edgepack.box.session import Box
from edgepack.debug import on_box
from edgepack.debug.build_id import MOST, image_of
from edgepack.debug.errors import NotDebuggableError

_ROOT_UID = "0"
_SILENT_S = 30  # the unit's pulse stops when the program has written nothing for so long: box/sh/systemd.sh
_WATCHDOG_S = 90


@dataclass(frozen=True)
class Running:
    """A program that may be attached to. server: gdbserver's path on the box; empty where it has none."""

    app: str
    pid: int
    release: str
    arch: str
    build_id: str
    server: str = ""
    kept: str = ""  # sha256 of a gdbserver that an earlier session left there


def look(box: Box, app: str) -> Running:
    """Ask the box. Raises NotDebuggableError with what keeps a debugger out; changes nothing."""
    where = box.endpoint.where
    said = _said(box.call("status", app))
    alive, pid, release, *_ = (*said.get("program", "").split(), "", "", "")
    if alive != "yes" or not pid.isdigit():
        raise NotDebuggableError(
            f"{app} does not run on this box",
            where=where,
            fix=f"edgepack status {box.endpoint.node} tells why; a core it left: edgepack debug --core FILE",
        )
    if "unconfirmed" in said:
        left = [*said["unconfirmed"].split(), "?", "?", "?"][2]
        raise NotDebuggableError(
            f"the release of {app} is not confirmed yet",
            where=where,
            why=f"a program that stands still fails its health gate, and the box goes back in {left} s",
            fix="wait until its deploy has ended",
        )
    if box.endpoint.runs == "compose":
        raise NotDebuggableError(
            f"{app} runs in a container on this box",
            where=where,
            why="`runs: compose`: a debugger would need the container's own processes, which is not done yet",
            fix="deploy it with `runs: process` for the time of the session",
        )
    facts = _said(
        box.exec(on_box.line(box.endpoint.root, "none", "look", app, pid)).stdout.decode().splitlines()
    )
    if _said(box.call("probe", app)).get("emulator"):
        raise NotDebuggableError(
            f"{app} is run by an emulator on this box",
            where=where,
            why="a sandbox of another architecture: qemu-user has no ptrace",
            fix="use a sandbox of this host's architecture, or the box itself",
        )
    may_trace(facts, app, pid, where)
    head = box.exec(on_box.line(box.endpoint.root, "none", "head", f"/proc/{pid}/exe", str(MOST)))
    image = image_of(head.stdout)
    if image is None or image.arch is None:
        raise NotDebuggableError(
            f"what runs as {app} is no program that a debugger knows",
            where=where,
            why=head.stderr.decode("utf-8", "replace").strip()
            or "it is a script, or of another architecture",
        )
    return Running(
        app, int(pid), release, image.arch, image.build_id, facts.get("gdbserver", ""), facts.get("kept", "")
    )


def warnings(box: Box, running: Running) -> list[str]:
    """What stands still, and who will not like that."""
    told = [f"{running.app} (pid {running.pid}) stands still while the debugger has it: no frame is answered"]
    if box.endpoint.runs == "systemd":
        after = _SILENT_S + _WATCHDOG_S
        told.append(f"systemd starts it again where it stands still for more than {after} s")
    return told


def may_trace(facts: dict[str, str], app: str, pid: str, where: str) -> None:
    """Raises NotDebuggableError for what the kernel would refuse: Linux, admin-guide/LSM/Yama.rst."""
    uid, owner, scope = facts.get("uid", ""), facts.get("owner", ""), facts.get("yama", "0")
    if facts.get("tracer", "0") not in ("", "0"):
        raise NotDebuggableError(
            f"another debugger has {app} already",
            where=where,
            why=f"process {facts['tracer']} on the box traces {pid}",
            fix="end that session first",
        )
    if scope == "3" or (scope in ("1", "2") and uid != _ROOT_UID):
        raise NotDebuggableError(
            "the box's kernel does not let a debugger in",
            where=where,
            why=f"Yama's kernel.yama.ptrace_scope is {scope}"
            + ("" if scope == "3" else f", and uid {uid} is not root"),
            fix="it stays so until the box starts anew"
            if scope == "3"
            else "on the box, as root: sysctl kernel.yama.ptrace_scope=0; or log in as root for this",
        )
    if owner not in ("", uid) and uid != _ROOT_UID:
        raise NotDebuggableError(
            f"{app} runs as another account",
            where=where,
            why=f"it is uid {owner}'s, and we are uid {uid}",
            fix="set `user:` of the node to that account, or to root",
        )


def _said(lines: list[str]) -> dict[str, str]:
    return {word: value.strip() for word, _, value in (line.partition(" ") for line in lines)}
