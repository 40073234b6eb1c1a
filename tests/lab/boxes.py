"""Boxes of this host's own architecture: a filesystem, accounts and processes of their own, on its kernel.

A box listens on one address of the loopback. Its disk is as small as a test wants it, and gone with it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import rootfs
from .endpoint import DIES_WITH_US, LOOPBACK, Endpoint, Keys, free_port, new_keys, owner_tar, wait_for_ssh

START = Path(__file__).with_name("box-start")
HOMES = {"root": 0, "home/edge": 1000}


@dataclass(frozen=True)
class Kind:
    """What a box is made of. ``read_only``: nothing on it can be written but /run."""

    userland: rootfs.Userland = rootfs.DEBIAN
    disk_mb: int = 256
    read_only: bool = False
    address: str = LOOPBACK


PLAIN = Kind()


class Box:
    """One box with its keys in ``folder``. Each start is a new, empty disk under the same keys and port."""

    def __init__(self, folder: Path, kind: Kind = PLAIN) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.kind = kind
        self.port = free_port(kind.address)
        self.keys: Keys = new_keys(folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the box's SSH server said, over all starts."""
        return self.folder / "box.log"

    def endpoint(self, user: str = "edge") -> Endpoint:
        return Endpoint(self.port, user, self.keys.identity, self.keys.host_key(), self.kind.address)

    def start(self) -> float:
        """Bring the box up and return the seconds until its SSH server answered."""
        assert self._process is None, "the box is already up"
        (self.folder / "owner.tar").write_bytes(owner_tar(self.keys, HOMES))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            return wait_for_ssh(self.kind.address, self.port, 30.0, self.is_up)
        except (TimeoutError, ChildProcessError) as error:
            self.stop()
            raise RuntimeError(f"{error}\nthe box said:\n{self.log.read_text(errors='replace')}") from error

    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the box with everything that runs on it; its disk goes with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def change_keys(self) -> None:
        """From its next start on the box shows another host key and lets another key in."""
        folder = self.folder / f"keys-{len(list(self.folder.glob('keys-*')))}"
        folder.mkdir()
        self.keys = new_keys(folder)

    def _argv(self) -> list[str]:
        kind = self.kind
        return [
            *DIES_WITH_US, "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child",
            "--propagation=private", str(START), str(rootfs.tree(kind.userland)), str(self.folder),
            str(kind.disk_mb), kind.address, str(self.port), "ro" if kind.read_only else "rw",
        ]  # fmt: skip
