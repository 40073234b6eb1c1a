"""Logs in to a sandbox as a client would, to know that the box works before anyone is told so."""

from __future__ import annotations

import base64
from pathlib import Path

import paramiko

from edgepack.sandbox.errors import SandboxError
from edgepack.sandbox.state import SandboxState


def connect(state: SandboxState, timeout_s: float = 20.0) -> paramiko.SSHClient:
    """A client that is logged in: this host key, this identity and no other.

    Raises what paramiko raises: SSHException, or OSError where nothing listens.
    """
    kind, encoded = state.host_key.split()
    client = paramiko.SSHClient()
    client.get_host_keys().add(
        f"[127.0.0.1]:{state.port}", kind, paramiko.Ed25519Key(data=base64.b64decode(encoded))
    )
    try:
        client.connect(
            "127.0.0.1",
            state.port,
            state.user,
            pkey=paramiko.Ed25519Key(filename=state.identity),
            look_for_keys=False,
            allow_agent=False,
            timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
        )
    except BaseException:
        client.close()
        raise
    return client


def check(state: SandboxState, home: Path) -> None:
    """Log in, run one command, and see that it ran where it should.

    Raises SandboxError with what the server or the command said.
    """
    what = f"the SSH server of {state.node} does not let its own client work"
    try:
        with connect(state) as client:
            _, stdout, stderr = client.exec_command('printf %s "$HOME"', timeout=20)
            said = stdout.read().decode("utf-8", "replace")
            complaint = stderr.read().decode("utf-8", "replace")
            code = stdout.channel.recv_exit_status()
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise SandboxError(what, why=str(error) or type(error).__name__) from error
    if code != 0 or said != str(home):
        raise SandboxError(what, why=f"a session ended with {code}", detail=f"{said}{complaint}")
