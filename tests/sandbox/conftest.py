from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from edgepack.sandbox import box, login
from edgepack.sandbox.state import SandboxState
from edgepack.tools import qemu

HOST = qemu.host_arch()


def silent(*_: object) -> None:
    """A progress that nobody watches."""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose path needs quoting wherever somebody forgot to."""
    return tmp_path_factory.mktemp("it's a $(project)")


@pytest.fixture(scope="session")
def up(project: Path) -> Iterator[SandboxState]:
    """A box of the host's own kind behind edgepack's own server, for all tests that leave it up."""
    yield box.up(project, "shared", HOST, HOST, silent, "builtin")
    assert box.down(project, "shared")
    assert list(project.iterdir()) == []


@pytest.fixture
def client(up: SandboxState) -> Iterator[paramiko.SSHClient]:
    with login.connect(up) as client:
        yield client


Run = Callable[..., tuple[int, bytes, bytes]]


@pytest.fixture
def run(client: paramiko.SSHClient) -> Run:
    """Run a command in the shared box: (exit status, stdout, stderr)."""
    return lambda command, stdin=b"": execute(client, command, stdin)


def execute(client: paramiko.SSHClient, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    channel = client.get_transport().open_session(timeout=20)  # type: ignore[union-attr]
    with channel:
        channel.settimeout(60)
        channel.exec_command(command)
        for start in range(0, len(stdin), 1 << 20):  # sendall() copies what is left each time
            channel.sendall(stdin[start : start + (1 << 20)])
        channel.shutdown_write()
        out = channel.makefile("rb").read()
        return channel.recv_exit_status(), out, channel.makefile_stderr("rb").read()
