"""What carries commands to a box: one connection, streams in it. By paramiko, or by this host's own ssh."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from edgepack.box.endpoint import Endpoint


class Stream(Protocol):
    """A command on the box. Each call raises TimeoutError after silence, OSError where the link breaks."""

    def send(self, data: bytes) -> None:
        """To the command's stdin. Raises BrokenPipeError where the command does not read any more."""

    def end(self) -> None:
        """Nothing more comes on its stdin."""

    def read(self, err: bytearray) -> bytes:
        """Some of its stdout, b"" at the end; what came on stderr meanwhile is added to ``err``."""

    def status(self) -> int | None:
        """Its exit status, once all is read; None where the connection ended before it did."""


class Link(Protocol):
    """A connection."""

    @property
    def alive(self) -> bool:
        """Whether it stands, as far as is known here."""

    def run(self, command: str, silence_s: float) -> AbstractContextManager[Stream]:
        """Run a command line with the account's shell; it ends with the context."""

    def close(self) -> None:
        """End it, and those to the hosts it goes through."""


def connect(endpoint: Endpoint) -> Link:
    """Connect. Raises UnreachableError, HostKeyError, InputError; ToolError where no ssh is here."""
    if endpoint.transport == "ssh":
        from edgepack.box.link_ssh import SshLink

        return SshLink(endpoint)
    from edgepack.box.link_paramiko import ParamikoLink

    return ParamikoLink(endpoint)
