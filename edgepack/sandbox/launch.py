"""Starts the server of a box: by the host's sshd where that works, and by edgepack's own elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import edgepack
from edgepack.errors import ToolError
from edgepack.sandbox import keys, login, processes, server
from edgepack.sandbox.errors import SandboxError
from edgepack.sandbox.state import Layout, SandboxState
from edgepack.tools import sshd
from edgepack.tools.debian import Progress
from edgepack.tools.runner import Command, spawn_daemon

_START_S = 30.0
_WORDS = {"sshd": "the host's sshd", "builtin": "edgepack's own SSH server"}


@dataclass(frozen=True)
class Wanted:
    """The box that is asked for."""

    node: str
    target: str
    arch: str
    user: str
    emulator: str  # path, or "" where the host runs the target's programs itself
    server: str  # auto, sshd or builtin
    port: int = 0  # the one it had before, or 0


def launch(files: Layout, wanted: Wanted, progress: Progress) -> SandboxState:
    """Make what the box's folder lacks, start a server, and log in to it once.

    Raises SandboxError with the reason of each kind of server that was tried; none runs then.
    """
    for folder in (files.folder, files.home, files.root / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    files.folder.chmod(0o700)
    host_key = keys.make(files.host_key)
    files.authorized_keys.write_text(keys.make(files.identity) + "\n", "ascii")
    reasons: list[str] = []
    for kind in _kinds(wanted.server):
        progress(f"starting {wanted.node} with {_WORDS[kind]}", 0, 0)
        try:
            server.write_settings(files, _settings(files, wanted, kind))
            pid, port = _start(files)
            box = SandboxState(
                node=wanted.node,
                target=wanted.target,
                arch=wanted.arch,
                port=port,
                user=wanted.user,
                host_key=host_key,
                identity=str(files.identity),
                root=str(files.home / "edgepack"),
                pid=pid,
                emulator=wanted.emulator or None,
                server=kind,
            )
            login.check(box, files.home)
        except SandboxError as error:
            processes.stop_server(files.folder)
            words = ": ".join(filter(None, (error.what, error.why, error.detail)))
            reasons.append(f"{_WORDS[kind]}: {words}")
            progress(f"not with {reasons[-1].splitlines()[0]}", 0, 0)
        else:
            return box
    raise SandboxError(
        f"{wanted.node} has no SSH server",
        why="none could be started on this host",
        detail="\n".join([*reasons, _tail(files.log)]),
    )


def _kinds(wanted: str) -> tuple[str, ...]:
    return tuple(_WORDS) if wanted == "auto" else (wanted,)


def _settings(files: Layout, wanted: Wanted, kind: str) -> server.Settings:
    """Raises SandboxError where the host's sshd is not there, or will not have this configuration."""
    program = sshd.find() if kind == "sshd" else None
    settings = server.Settings(
        kind=kind,
        user=wanted.user,
        port=wanted.port,
        emulator=wanted.emulator,
        sshd=str(program or ""),
    )
    if kind == "sshd":
        if program is None:
            raise SandboxError("there is no sshd on this host")
        text = sshd.configuration(
            sshd.Settings(
                host_key=files.host_key,
                authorized_keys=files.authorized_keys,
                user=wanted.user,
                home=files.home,
                begin=server.begin(files, settings),
            )
        )
        files.sshd_config.write_text(text, "utf-8")
        problem = sshd.why_not(program, files.sshd_config)
        if problem is not None:
            raise SandboxError("it refuses its configuration", why=problem)
    return settings


def _start(files: Layout) -> tuple[int, int]:
    """(pid, port) of a new server, once it listens."""
    files.ready.unlink(missing_ok=True)
    files.log.touch(mode=0o600)
    imports = (str(Path(edgepack.__file__).parent.parent), os.environ.get("PYTHONPATH"))
    env = {
        # Nothing of the developer's environment outlives their shell in a daemon.
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(filter(None, imports)),
        processes.MARK: str(files.folder),
    }
    if "LD_LIBRARY_PATH" in os.environ:  # some Pythons do not start without theirs
        env["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    argv = (sys.executable, "-m", processes.SERVER, str(files.folder))
    try:
        pid = spawn_daemon(Command(argv, cwd=Path("/"), env=env, only_env=True), files.log)
    except ToolError as error:
        raise SandboxError(error.what, why=error.why) from error
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if files.ready.exists():
            ready = json.loads(files.ready.read_text("utf-8"))
            return int(ready["pid"]), int(ready["port"])
        if pid not in processes.table():
            raise SandboxError("the server ended as soon as it began")
        time.sleep(0.02)
    raise SandboxError(f"the server was not ready after {_START_S:.0f} s")


def _tail(log: Path) -> str:
    """The last lines of the server's log."""
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-10:])
    except OSError:
        return ""
