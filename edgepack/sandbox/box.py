"""Throwaway boxes on this host: up, down, and what is there.

A box is a folder below ``.edgepack/sandbox/`` with an SSH server on loopback. It has no root rights,
no container and no system service, so that it works wherever edgepack does; ``docs/design/sandbox.md``
says what that costs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.sandbox import processes, state
from edgepack.sandbox.errors import OtherBoxError, SandboxError
from edgepack.sandbox.state import Layout, SandboxState
from edgepack.tools import qemu
from edgepack.tools.debian import Progress

_GRACE_S = 3.0


def up(
    project: Path,
    node: str,
    target: str,
    arch: str,
    progress: Progress,
    server: str = "auto",
) -> SandboxState:
    """Bring a box up, or say that it is; one whose server died gets a new one and keeps its files.

    ``arch`` is the target's; ``server`` is auto, sshd (the host's) or builtin. Raises SandboxError
    where this host cannot be such a box, NodeNameError for a name that cannot be a folder's,
    OtherBoxError where another box has that name. An ``up`` that fails or is interrupted leaves no
    more behind than was there before it.
    """
    from edgepack.sandbox import launch  # brings paramiko in, which the others here do without

    _only_on_linux()
    files = state.layout(project, node)
    with _locked(files.folder.parent, progress):
        known = state.read(files)
        if known is not None:
            running = is_running(known, files)
            _refuse_another(known, target, arch, server if running else "auto")
            if running and (known.emulator is None or Path(known.emulator).is_file()):
                progress(f"{node} is already up", 0, 0)
                return known
        wanted = launch.Wanted(
            node=node,
            target=target,
            arch=arch,
            user=_user(),
            emulator=_emulator(node, arch, progress),
            server=server,
            port=known.port if known else 0,
        )
        try:
            processes.stop_server(files.folder)  # one that lost its state file
            box = launch.launch(files, wanted, progress)
            state.write(files, box)
        except BaseException:
            processes.stop_server(files.folder)
            if known is None:
                _remove(files)
            raise
        return box


def down(project: Path, node: str) -> bool:
    """Take a box down: its server, everything that runs in it, and its files. False: there was none.

    Raises SandboxError where something of it belongs to another user or will not end.
    """
    _only_on_linux()
    files = state.layout(project, node)
    if not files.folder.exists():
        return False
    with _locked(files.folder.parent, lambda *_: None):
        processes.stop_server(files.folder)
        left = processes.end(lambda: processes.marked(files.folder), _GRACE_S)
        if left:
            raise SandboxError(
                f"{len(left)} processes of {node} cannot be ended",
                why="they belong to another user, or wait for a device",
                detail="pids " + ", ".join(str(pid) for pid in sorted(left)),
            )
        _remove(files)
    return True


def find(project: Path, node: str) -> SandboxState | None:
    """The state of a box that was brought up and not taken down, whether its server runs or not."""
    return state.read(state.layout(project, node))


def list_all(project: Path) -> tuple[SandboxState, ...]:
    """Every box of this project that was brought up and not taken down, by name."""
    folders = sorted(file.parent for file in state.boxes(project).glob("*/state.json"))
    found = (find(project, folder.name) for folder in folders)
    return tuple(box for box in found if box is not None)


def is_up(project: Path, node: str) -> bool:
    """Whether the box's server runs."""
    files = state.layout(project, node)
    known = state.read(files)
    return known is not None and is_running(known, files)


def is_running(known: SandboxState, files: Layout) -> bool:
    """Whether the process of that number is still this box's server, and not a later one's."""
    return known.pid in processes.servers(files.folder)


def _refuse_another(known: SandboxState, target: str, arch: str, server: str) -> None:
    if (known.target, known.arch) != (target, arch):
        is_one = f"a {known.target} ({known.arch})"
        asked = f"a {target} ({arch})"
    elif server not in ("auto", known.server):
        is_one, asked = f"served by {known.server}", f"served by {server}"
    else:
        return
    raise OtherBoxError(
        f"{known.node} is there already, and it is {is_one}, not {asked}",
        fix=f"edgepack sandbox down {known.node}, or take another name",
    )


def _emulator(node: str, arch: str, progress: Progress) -> str:
    """The path of an emulator for ``arch``, or "" where this host runs its programs itself."""
    host = qemu.host_arch()
    if arch == host:
        return ""
    if arch not in qemu.NAMES:
        raise SandboxError(f"nothing is known of running {arch} programs here")
    try:
        return str(qemu.find(arch) or qemu.fetch(arch, progress))
    except ToolError as error:
        own = f", or take a box of this host's own kind: edgepack sandbox up {node}-local --target {host}"
        raise SandboxError(
            f"{node} would have to run {arch} programs, and this {host} host cannot",
            why=f"{error.what}: {error.why}",
            fix=error.fix + own,
            detail=error.detail,
        ) from error


def _user() -> str:
    """The name to log in by. A container's user may have none; edgepack's own server needs none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "box"


def _only_on_linux() -> None:
    if sys.platform != "linux":
        raise SandboxError(
            "a sandbox box needs Linux (WSL included): it runs Linux programs through qemu-user",
            fix="run edgepack on Linux, or deploy to a real box",
        )


@contextlib.contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """One sandbox command of a project at a time; the folder goes again if nothing was put there.

    The lock is on the folder itself, so that no lock file stays behind.
    """
    handle = _open_locked(folder, progress)
    try:
        yield
    finally:
        for empty in (folder, folder.parent):
            with contextlib.suppress(OSError):
                empty.rmdir()
        os.close(handle)


def _open_locked(folder: Path, progress: Progress) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another sandbox command", 0, 0)
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Whoever held the lock may have removed the folder meanwhile.
        with contextlib.suppress(OSError):
            if folder.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)


def _remove(files: Layout) -> None:
    """Remove the box's folder, with what its programs made unwritable."""
    try:
        for folder, names, _ in os.walk(files.folder):
            for inner in (Path(folder, name) for name in names):
                # Never through a link: it may point out of the box.
                if not inner.is_symlink():
                    inner.chmod(0o700)
        shutil.rmtree(files.folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SandboxError(
            f"the files of {files.folder.name} cannot be removed",
            where=str(files.folder),
            why=str(error),
        ) from error
