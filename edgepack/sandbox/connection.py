"""One client of edgepack's own SSH server: who may log in, and what may be asked for."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    MSG_CHANNEL_REQUEST,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from edgepack.sandbox.session import Begin, Session

_LOG = logging.getLogger("edgepack.sandbox")


@dataclass(frozen=True)
class House:
    """What every connection of one box shares."""

    user: str
    authorized: paramiko.PKey
    host_key: paramiko.PKey
    begin: Begin


class Login(paramiko.ServerInterface):
    """Lets one user in, with one key, to run programs and nothing else."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sessions: dict[int, Session] = {}
        self._lock = threading.Lock()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = self._house.authorized.asbytes()
        return AUTH_SUCCESSFUL if (username, key.asbytes()) == (self._house.user, known) else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return self.session(channel).ask(command)

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return self.session(channel).ask(None)

    def check_channel_pty_request(
        self,
        channel: paramiko.Channel,
        term: bytes,
        width: int,
        height: int,
        pixelwidth: int,
        pixelheight: int,
        modes: bytes,
    ) -> bool:
        return self.session(channel).terminal(term.decode("ascii", "replace"), width, height)

    def check_channel_window_change_request(
        self, channel: paramiko.Channel, width: int, height: int, pixelwidth: int, pixelheight: int
    ) -> bool:
        return self.session(channel).resize(width, height)

    def session(self, channel: paramiko.Channel) -> Session:
        """The session of a channel, made when the channel is first spoken of."""
        with self._lock:
            number = channel.get_id()
            if number not in self._sessions:
                self._sessions[number] = Session(channel, self._house.begin)
            return self._sessions[number]

    def keep(self, channel: paramiko.Channel) -> None:
        """Hold a new channel, which paramiko closes when nobody does, and let go of closed ones."""
        with self._lock:
            self._sessions = {n: s for n, s in self._sessions.items() if not s.closed}
        if not channel.closed:
            self.session(channel)


def _on_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """paramiko's handling of a channel request, and the two things it leaves out.

    It knows no "signal" request, and says yes to the client only after its callback returned: a
    program started from there could end, and its channel close, before that yes is out.
    """
    login = cast(Login, channel.get_transport().server_object)
    kind = message.get_text()
    message.get_boolean()
    if kind == "signal":
        login.session(channel).signal(message.get_text())
        return
    message.rewind()
    message.get_int()  # the channel's number, which had been read before
    paramiko.Channel._handle_request(channel, message)  # type: ignore[attr-defined]
    if kind in ("exec", "shell"):
        login.session(channel).begin()


class Connection(paramiko.Transport):
    """One client."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _on_request,
    }

    def serve(self, house: House) -> None:
        """Talk to the client until it goes. Runs in a thread of its own."""
        try:
            self.add_server_key(house.host_key)
            login = Login(house)
            self.start_server(server=login)
            while self.is_active():
                channel = self.accept(60)
                if channel is not None:
                    login.keep(channel)
        except (paramiko.SSHException, OSError, EOFError) as error:
            _LOG.info("a connection ended: %s", error)
        finally:
            self.close()
