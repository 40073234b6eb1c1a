"""The connection inside of edgepack's own process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import paramiko

from edgepack.box.connection import CONNECT_S, connect, hang_up
from edgepack.box.endpoint import Endpoint

_CHUNK = 32 << 10


class ParamikoLink:
    """paramiko's transport, opened by fabric as the user's SSH configuration says."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = connect(endpoint)

    @property
    def alive(self) -> bool:
        return bool(self._connection.transport.is_active())

    def close(self) -> None:
        hang_up(self._connection)

    @contextlib.contextmanager
    def run(self, command: str, silence_s: float) -> Iterator[ParamikoStream]:
        try:
            channel = self._connection.transport.open_session(timeout=CONNECT_S)
            try:
                channel.settimeout(silence_s)
                channel.exec_command(command)
                yield ParamikoStream(channel)
            finally:
                channel.close()
        except (paramiko.SSHException, EOFError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error


@contextlib.contextmanager
def _broken_pipe() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokenPipeError(str(error)) from error


class ParamikoStream:
    """One channel."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> None:
        with _broken_pipe():
            self._channel.sendall(data)

    def end(self) -> None:
        with _broken_pipe():
            self._channel.shutdown_write()

    def read(self, err: bytearray) -> bytes:
        while self._channel.recv_stderr_ready():
            err += self._channel.recv_stderr(_CHUNK)
        if chunk := self._channel.recv(_CHUNK):
            return chunk
        while rest := self._channel.recv_stderr(_CHUNK):
            err += rest
        return b""

    def status(self) -> int | None:
        if not self._channel.status_event.wait(CONNECT_S) or self._channel.exit_status == -1:
            return None
        return int(self._channel.exit_status)
