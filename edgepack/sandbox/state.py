"""What a sandbox box leaves on disk: one folder, and in it ``state.json`` for whoever connects."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgepack.sandbox.errors import NodeNameError, SandboxError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class SandboxState:
    """A box that was brought up. Every path is absolute."""

    node: str
    target: str
    arch: str  # what its programs are built for: the emulator's architecture, or the host's
    port: int  # on 127.0.0.1
    user: str
    host_key: str  # the server's public key: "ssh-ed25519 AAAA…"
    identity: str  # the private key file that logs in
    root: str  # the folder for releases
    pid: int  # of the server
    emulator: str | None  # the path of a qemu-<arch> program; None where the host runs it itself
    server: str  # "sshd" (the host's) or "builtin"


@dataclass(frozen=True)
class Layout:
    """The files of one sandbox, all below ``folder``."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def settings(self) -> Path:
        """What the server is to do: see ``server.Settings``."""
        return self.folder / "server.json"

    @property
    def ready(self) -> Path:
        """Written by the server when it listens: its pid and port."""
        return self.folder / "ready.json"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def host_key(self) -> Path:
        return self.folder / "host_ed25519"

    @property
    def identity(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def authorized_keys(self) -> Path:
        return self.folder / "authorized_keys"

    @property
    def sshd_config(self) -> Path:
        return self.folder / "sshd_config"

    @property
    def root(self) -> Path:
        """The box's own files: its home and its temporary folder."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        return self.root / "home"


def boxes(project: Path) -> Path:
    """The folder that holds this project's sandboxes, one folder each."""
    return project.resolve() / ".edgepack" / "sandbox"


def layout(project: Path, node: str) -> Layout:
    """Where the sandbox of ``node`` lies. Raises NodeNameError for a name no folder should have."""
    if not _NAME.fullmatch(node):
        raise NodeNameError(
            f"{node!r} cannot be the name of a box",
            fix="use letters, digits, '.', '_' and '-', at most 63, a letter or digit first",
        )
    return Layout(boxes(project) / node)


def read(files: Layout) -> SandboxState | None:
    """The state of a box, or None where it was never up. Raises SandboxError where it is damaged."""
    try:
        values = json.loads(files.state.read_text("utf-8"))
        return SandboxState(**{f.name: values[f.name] for f in fields(SandboxState)})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SandboxError(
            f"the state of the sandbox {files.folder.name} cannot be read",
            where=str(files.state),
            why=str(error),
            fix=f"edgepack sandbox down {files.folder.name}, then up again",
        ) from error


def write(files: Layout, state: SandboxState) -> None:
    write_private(files.state, asdict(state))


def write_private(file: Path, values: Mapping[str, object]) -> None:
    """A JSON file that appears whole, and that only this user can read."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(values, out, indent=2)
        out.write("\n")
    part.replace(file)
