"""Whether the box is the one that is known: pinned in ``fleet.yaml``, else in the user's known_hosts.

Nothing is trusted because it was there first: an unknown key is an error that shows its fingerprint
and the line to add once a person has compared it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paramiko

from edgepack.box.errors import HostKeyError

_USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


class Strict(paramiko.MissingHostKeyPolicy):
    """Refuses what nobody vouched for, with the way out in the message."""

    def __init__(self, where: str, *, pins: bool) -> None:
        self._where = where
        self._pins = pins  # whether fleet.yaml can pin this key: a jump host's it cannot

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        line = f"{key.get_name()} {key.get_base64()}"
        known = f"{hostname} {line}"
        fix = (
            f"compare the fingerprint with the one on the box\n"
            f"  (on it: ssh-keygen -lf /etc/ssh/ssh_host_{_kind(key)}_key.pub)\n"
            "and only then add "
        )
        pin = f"to the node in fleet.yaml\n  host_key: {line}\nor this line " if self._pins else "this line "
        raise HostKeyError(
            f"nobody has vouched for the host key of {hostname} yet",
            where=self._where,
            why=f"it shows {fingerprint(key)}, which is neither in fleet.yaml nor in your known_hosts",
            fix=f"{fix}{pin}to ~/.ssh/known_hosts\n  {known}",
        )


def fingerprint(key: paramiko.PKey) -> str:
    """As ``ssh-keygen -l`` shows it: ``SHA256:…`` and the key's type."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"


def pinned(client: paramiko.SSHClient, name: str, line: str, where: str) -> None:
    """Let ``client`` accept for host ``name`` this one public key: ``ssh-ed25519 AAAA…``."""
    try:
        kind, blob = line.split()[:2]
        key = paramiko.PKey.from_type_string(kind, base64.b64decode(blob, validate=True))
    except (ValueError, binascii.Error, paramiko.SSHException) as error:
        raise HostKeyError(
            "the pinned host key is not a public key",
            where=where,
            why=str(error),
            fix="host_key: takes one key as in /etc/ssh/ssh_host_ed25519_key.pub: `ssh-ed25519 AAAA…`",
        ) from error
    client.get_host_keys().add(name, key.get_name(), key)


def known(client: paramiko.SSHClient, name: str, config: Mapping[str, Any]) -> None:
    """Let ``client`` accept what the user's and the system's known_hosts say, as ssh would read them.

    ``config``: what the user's SSH configuration says of this host.
    """
    keys = client.get_host_keys()
    for path in _files(config):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            keys.load(str(path))
    alias = config.get("hostkeyalias")
    for kind, key in (keys.lookup(alias) or {}).items() if alias else ():
        keys.add(name, kind, key)
    for path in _files(config):
        _drop_revoked(keys, name, path)


def changed(error: paramiko.BadHostKeyException, where: str, *, from_pin: bool) -> HostKeyError:
    """The error for a box whose key is another than the known one."""
    source = "`host_key:` in fleet.yaml" if from_pin else "your known_hosts"
    way = "the line in fleet.yaml" if from_pin else f"the line, with: ssh-keygen -R {error.hostname}"
    return HostKeyError(
        f"the host key of {error.hostname} has CHANGED",
        where=where,
        why=(
            f"{source} has {fingerprint(error.expected_key)}, the box shows {fingerprint(error.key)}; "
            "it was set up again, or another machine answers in its place"
        ),
        fix=f"find out which of the two before anything else; if the box was set up again, replace {way}",
    )


def _files(config: Mapping[str, Any]) -> list[Path]:
    user = str(config.get("userknownhostsfile") or " ".join(_USER_FILES)).split()
    system = str(config.get("globalknownhostsfile") or " ".join(_GLOBAL_FILES)).split()
    return [Path(os.path.expanduser(name)) for name in (*user, *system) if name != "none"]


def _drop_revoked(keys: paramiko.HostKeys, name: str, path: Path) -> None:
    """Forget the keys that a line ``@revoked HOSTS TYPE KEY`` names, for whatever host."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) < 4 or words[0] != "@revoked":
                continue
            for kind, key in list((keys.lookup(name) or {}).items()):
                if key.get_base64() == words[3]:
                    raise HostKeyError(
                        f"the host key of {name} is marked as revoked",
                        where=str(path),
                        why=f"a line `@revoked` names its {kind} key",
                        fix="ask who revoked it; the box needs a new key",
                    )


def _kind(key: paramiko.PKey) -> str:
    return {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(key.get_name(), "ecdsa")
