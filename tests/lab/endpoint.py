"""Where a lab's box listens and who may come in: facts for ``fleet.yaml``, and a plain ssh to look with."""

from __future__ import annotations

import io
import socket
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgepack.tools.runner import Completed, command, run

LOOPBACK = "127.0.0.1"
# Put before a box's own command: a test run that is killed leaves no box running.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True)
class Keys:
    """A key pair for who logs in and one for the box itself: private key files; ``.pub`` beside each."""

    identity: Path
    host: Path

    def host_key(self) -> str:
        """The box's public key as ``fleet.yaml`` pins it: type and base64."""
        return public(self.host)


@dataclass(frozen=True)
class Endpoint:
    """Facts for ``fleet.yaml``. ``host_key`` is what the box is expected to show."""

    port: int
    user: str
    identity: Path
    host_key: str
    host: str = LOOPBACK

    def ssh(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """Run a shell script on the box through the plain OpenSSH client, host key checked."""
        known = self.identity.with_name(f"known_hosts.{self.port}")
        known.write_text(f"[{self.host}]:{self.port} {self.host_key}\n")
        return run(
            command(
                "ssh", "-F", "none", "-p", str(self.port), "-i", self.identity,
                "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes",
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20",
                f"{self.user}@{self.host}", script,
                stdin=stdin, timeout_s=timeout_s,
            )
        )  # fmt: skip

    def said(self, script: str) -> str:
        """What a script printed on the box; fails where the script failed."""
        done = self.ssh(script)
        assert done.ok, f"{script}\n{done.text()}"
        return done.stdout.decode().strip()


def public(private: Path) -> str:
    """Type and base64 of a key pair's public half."""
    return " ".join(private.with_name(private.name + ".pub").read_text().split()[:2])


def new_key(file: Path) -> Path:
    """A new ed25519 key pair without a passphrase at ``file`` and ``file.pub``."""
    done = run(command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", file))
    assert done.ok, done.text()
    return file


def new_keys(folder: Path) -> Keys:
    return Keys(new_key(folder / "identity"), new_key(folder / "host_key"))


def dropbear_host_key(keys: Keys) -> Path:
    """The host's private key in dropbear's own format, beside the other."""
    out = keys.host.with_name("host_key.dropbear")
    done = run(command("dropbearconvert", "openssh", "dropbear", keys.host, out))
    assert done.ok, done.text()
    return out


def owner_tar(keys: Keys, homes: dict[str, int]) -> bytes:
    """What makes a box one's own: its host keys, and the one key that may log in to each of ``homes``
    (folder without the leading slash → uid). A tar, uncompressed.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (
            ("etc/ssh/host_key", keys.host.read_bytes()),
            ("etc/ssh/host_key.dropbear", dropbear_host_key(keys).read_bytes()),
        ):
            _add(tar, name, data, 0o600, 0)
        for home, uid in homes.items():
            folder = tarfile.TarInfo(f"{home}/.ssh")
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, uid, uid
            tar.addfile(folder)
            _add(tar, f"{home}/.ssh/authorized_keys", f"{public(keys.identity)}\n".encode(), 0o600, uid)
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int, uid: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(data), mode, uid, uid
    tar.addfile(entry, io.BytesIO(data))


def free_port(host: str = LOOPBACK) -> int:
    """A TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wait_for_ssh(host: str, port: int, timeout_s: float, alive: Callable[[], bool]) -> float:
    """Wait until an SSH server answers at the port, and return the seconds it took.

    Raises TimeoutError, and ChildProcessError as soon as ``alive`` says that nobody is left to wait for.
    """
    began = time.monotonic()
    while (passed := time.monotonic() - began) < timeout_s:
        if not alive():
            raise ChildProcessError(f"the box at {host}:{port} ended before its SSH server answered")
        if _greets(host, port):
            return passed
        time.sleep(0.25)
    raise TimeoutError(f"no SSH server at {host}:{port} within {timeout_s:.0f} s")


def _greets(host: str, port: int) -> bool:
    """An emulator takes a connection before anything listens behind it: only a greeting counts."""
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
