"""Whether the box is the one that is known: pinned in ``fleet.yaml``, else in the user's known_hosts.

Nothing is trusted because it was there first: an unknown key is an error that shows its fingerprint
and the line to add once a person has compared it. known_hosts is read as sshd(8) describes it,
hashed names, patterns and ``@revoked`` included; certificates are not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from edgepack.box.errors import HostKeyError

_USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # other types sign under their own name


@dataclass(frozen=True)
class Vouched:
    """The keys that somebody vouched for under one name, and from where."""

    name: str  # `host`, or `[host]:port`
    keys: tuple[paramiko.PKey, ...]
    revoked: tuple[paramiko.PKey, ...] = ()
    pinned: bool = False  # in fleet.yaml

    def algorithms(self) -> tuple[str, ...]:
        """What to ask the server to prove itself with: it may have keys of several types."""
        kinds = [key.get_name() for key in self.keys]
        return tuple(name for kind in kinds for name in _SIGNATURES.get(kind, (kind,)))


class Strict(paramiko.MissingHostKeyPolicy):
    """Takes the keys that are vouched for, and refuses the others with the way out in the message.

    paramiko asks it about every key, since it is given no known_hosts of its own: its reader stops
    at the first line it does not understand.
    """

    def __init__(self, where: str, vouched: Vouched, *, can_pin: bool) -> None:
        self.vouched = False  # whether a key was taken
        self._where = where
        self._vouched = vouched
        self._can_pin = can_pin  # fleet.yaml has no line for a jump host's key

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        if key in self._vouched.revoked:
            raise HostKeyError(
                f"the host key of {hostname} is marked as revoked",
                where=self._where,
                why=f"a line `@revoked` of known_hosts names {fingerprint(key)}",
                fix="ask who revoked it; the box needs a new key",
            )
        if key not in self._vouched.keys:
            raise self._changed(hostname, key) if self._vouched.keys else self._unknown(hostname, key)
        self.vouched = True

    def _unknown(self, hostname: str, key: paramiko.PKey) -> HostKeyError:
        line = f"{key.get_name()} {key.get_base64()}"
        pin = f"to the node in fleet.yaml\n    host_key: {line}\n  or " if self._can_pin else ""
        return HostKeyError(
            f"nobody has vouched for the host key of {hostname} yet",
            where=self._where,
            why=f"it shows {fingerprint(key)}, which is neither in fleet.yaml nor in your known_hosts",
            fix=(
                "compare the fingerprint with the one on the box"
                f" (there: ssh-keygen -lf /etc/ssh/ssh_host_{_file_word(key)}_key.pub), and only then add\n"
                f"  {pin}to ~/.ssh/known_hosts\n    {hostname} {line}"
            ),
        )

    def _changed(self, hostname: str, key: paramiko.PKey) -> HostKeyError:
        known = " or ".join(fingerprint(old) for old in self._vouched.keys)
        source, way = (
            ("`host_key:` in fleet.yaml", "that line in fleet.yaml")
            if self._vouched.pinned
            else ("your known_hosts", f"the line, with: ssh-keygen -R '{hostname}'")
        )
        return HostKeyError(
            f"the host key of {hostname} has CHANGED",
            where=self._where,
            why=(
                f"{source} has {known}, the box shows {fingerprint(key)}; it was set up again, "
                "or another machine answers in its place"
            ),
            fix=f"find out which of the two first; if the box was set up again, replace {way}",
        )


def fingerprint(key: paramiko.PKey) -> str:
    """As ``ssh-keygen -l`` shows it: ``SHA256:…`` and the key's type."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"


def pinned(name: str, line: str, where: str) -> Vouched:
    """What a pin in ``fleet.yaml`` vouches for: ``ssh-ed25519 AAAA…``. Raises HostKeyError."""
    words = line.split()
    key = _key(words[0], words[1]) if len(words) >= 2 else None
    if key is None:
        raise HostKeyError(
            "the pinned host key is not a public key",
            where=where,
            fix="host_key: takes one key as in /etc/ssh/ssh_host_ed25519_key.pub: `ssh-ed25519 AAAA…`",
        )
    return Vouched(name, (key,), pinned=True)


def known(name: str, config: Mapping[str, Any]) -> Vouched:
    """What the user's and the system's known_hosts vouch for under ``name``.

    ``config``: what the user's SSH configuration says of this host.
    """
    found: dict[str, list[paramiko.PKey]] = {"": [], "@revoked": []}
    for path in _files(config):
        for mark, names, kind, blob in _lines(path):
            key = _key(kind, blob) if mark in found else None
            if key is not None and matches(str(config.get("hostkeyalias") or name), names):
                found[mark].append(key)
    return Vouched(name, tuple(found[""]), tuple(found["@revoked"]))


def matches(name: str, names: str) -> bool:
    """Whether a line of known_hosts for ``names`` is about host ``name``: sshd(8), SSH_KNOWN_HOSTS."""
    found = False
    for pattern in names.split(","):
        if pattern.startswith("|1|"):
            found |= _is_hash_of(name, pattern)
        elif _pattern(pattern.removeprefix("!")).fullmatch(name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _is_hash_of(name: str, hashed: str) -> bool:
    """``|1|SALT|HMAC-SHA1(SALT, NAME)``, both in base64, as ssh-keygen -H writes names."""
    try:
        salt, wanted = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), wanted)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)


def _lines(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Marker, names, type and key of each line that has them."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        mark = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) >= 3 and not words[0].startswith("#"):
            yield mark, words[0], words[1], words[2]


def _key(kind: str, blob: str) -> paramiko.PKey | None:
    """A public key, or None for what is none, or is of a type that is not used any more."""
    try:
        key = paramiko.PKey.from_type_string(kind, base64.b64decode(blob, validate=True))
    except (ValueError, IndexError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return None
    return key if key.get_name() == kind else None


def _files(config: Mapping[str, Any]) -> list[Path]:
    user = str(config.get("userknownhostsfile") or " ".join(_USER_FILES)).split()
    system = str(config.get("globalknownhostsfile") or " ".join(_GLOBAL_FILES)).split()
    return [Path(os.path.expanduser(name)) for name in (*user, *system) if name != "none"]


def _file_word(key: paramiko.PKey) -> str:
    return {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(key.get_name(), "ecdsa")
