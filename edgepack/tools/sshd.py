"""The host's own SSH server, asked to serve one connection of one user, from files of ours alone."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgepack.tools.runner import Command, command, run

# Debian's and most others' place for it is not on a plain user's PATH.
_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"


@dataclass(frozen=True)
class Settings:
    """What makes one sandbox's sshd its own."""

    host_key: Path
    authorized_keys: Path
    user: str
    home: Path  # of the sessions
    begin: tuple[str, ...]  # argv that begins every session; the command is in SSH_ORIGINAL_COMMAND


def find() -> Path | None:
    """The host's sshd, as the absolute path that it must be started by."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{_PLACES}")
    return Path(found).absolute() if found else None


def configuration(settings: Settings) -> str:
    """An sshd_config(5): key login of this user only, no forwarding, nothing of the host's accounts."""
    lines = (
        f"HostKey {_quoted(settings.host_key)}",
        # "%" begins a token in this one.
        f"AuthorizedKeysFile {_quoted(settings.authorized_keys).replace('%', '%%')}",
        f"AllowUsers {settings.user}",
        "AuthenticationMethods publickey",
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        # PAM, strict modes and the user's rc files would bring in the developer's own account.
        "UsePAM no",
        "StrictModes no",
        "PermitUserEnvironment no",
        "PermitUserRC no",
        "DisableForwarding yes",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        # sshd starts what is forced by the user's own shell, and bash and zsh first read their files at home:
        # the developer's may take seconds, or wait for a lock that a killed session has left.
        f"SetEnv {_quoted(f'HOME={settings.home}')} SHLVL=1",
        "PidFile none",
        "MaxSessions 256",
        "LoginGraceTime 30",
        f"ForceCommand {shlex.join(settings.begin)}",
    )
    return "\n".join(lines) + "\n"


def why_not(sshd: Path, config: Path) -> str | None:
    """Why this user cannot run this sshd with this configuration, in its own words; None where they can."""
    done = run(command(sshd, "-t", "-f", config, timeout_s=20))
    return None if done.ok else done.text().strip() or f"{sshd} -t ended with {done.returncode}"


def one_connection(sshd: Path, config: Path, log: Path) -> Command:
    """Serve the connection that is on standard input and output, then end (``-i``)."""
    return command(sshd, "-i", "-f", config, "-E", log)


def _quoted(words: Path | str) -> str:
    escaped = str(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
