"""The built-in SSH server's side of one connection: who may log in, and sessions that run programs.

What a session does follows OpenSSH's sshd: bytes pass unchanged and no faster than the other side
takes them, the exit status comes when the program ends, and the channel closes when nobody holds
its output open any more. One difference: a program ended by a signal is an exit status of 128 + n.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import struct
import termios
import threading
from collections.abc import Callable
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

from edgepack.sandbox.children import Child, Children

_LOG = logging.getLogger("edgepack.sandbox")
_CHUNK = 1 << 16


@dataclass(frozen=True)
class House:
    """What every session of one box shares."""

    user: str
    authorized: paramiko.PKey
    begin: tuple[str, ...]  # argv that begins a session; the command is in SSH_ORIGINAL_COMMAND
    children: Children


class Terminal:
    """A pseudo-terminal, for a client that asked for one. It is made when the session starts."""

    def __init__(self, name: str, columns: int, rows: int) -> None:
        self.name = name
        self._size = (columns, rows)
        self._master = self._slave = -1
        self._lock = threading.Lock()

    def open(self) -> tuple[int, int, str]:
        """Descriptors for writing and for reading, each the caller's to close, and the path."""
        with self._lock:
            self._master, slave = os.openpty()
            path = os.ttyname(slave)
            # Held open until the session has it: without a holder a terminal reads as hung up.
            self._slave = slave
        self.resize(*self._size)
        return os.dup(self._master), os.dup(self._master), path

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._size = (columns, rows)
            if self._master >= 0:  # struct winsize, ioctl_tty(2)
                size = struct.pack("HHHH", rows, columns, 0, 0)
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def started(self) -> None:
        """The session has it open: from now on only that keeps it so."""
        os.close(self._slave)

    def close(self) -> None:
        with self._lock:
            if self._master >= 0:
                os.close(self._master)
                self._master = -1


class Session:
    """One channel and the program that runs at its other end."""

    def __init__(self, channel: paramiko.Channel, house: House) -> None:
        self._channel = channel
        self._house = house
        self._command: bytes | None = None
        self._asked = False
        self._terminal: Terminal | None = None
        self._child: Child | None = None

    @property
    def closed(self) -> bool:
        return self._channel.closed

    def ask(self, command: bytes | None) -> bool:
        """Note what to run (None: a shell). It starts when the client has been told yes."""
        if self._asked:
            return False
        self._asked, self._command = True, command
        return True

    def terminal(self, name: str, columns: int, rows: int) -> bool:
        if self._asked or self._terminal is not None:
            return False
        self._terminal = Terminal(name, columns, rows)
        return True

    def resize(self, columns: int, rows: int) -> bool:
        if self._terminal is None:
            return False
        self._terminal.resize(columns, rows)
        return True

    def signal(self, name: str) -> None:
        """A signal by its name without "SIG" (RFC 4254, 6.9), to all the session's programs."""
        sign = getattr(signal, f"SIG{name}", None)
        if self._child is not None and isinstance(sign, signal.Signals):
            self._child.signal(sign)

    def begin(self) -> None:
        """Start what was asked for, once."""
        if self._asked and self._child is None:
            try:
                self._start()
            except OSError as error:
                _LOG.exception("cannot start a session")
                self._refuse(str(error))

    def _start(self) -> None:
        env: dict[str, str | bytes] = {"PATH": os.defpath}
        if self._command:
            env["SSH_ORIGINAL_COMMAND"] = self._command
        if self._terminal is not None:
            self._on_terminal(self._terminal, env)
        else:
            self._on_pipes(env)

    def _on_pipes(self, env: dict[str, str | bytes]) -> None:
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        from_stderr, stderr = os.pipe()
        ours, theirs = (to_stdin, from_stdout, from_stderr), (stdin, stdout, stderr)
        try:
            child = self._house.children.spawn(self._house.begin, env, theirs)
        except OSError:
            _close(*ours)
            raise
        finally:
            _close(*theirs)
        self._child = child
        channel = self._channel
        outputs = (
            _thread(self._pump_out, from_stdout, channel.sendall),
            _thread(self._pump_out, from_stderr, channel.sendall_stderr),
        )
        _thread(self._pump_in, to_stdin)
        _thread(self._finish, child, outputs)

    def _on_terminal(self, terminal: Terminal, env: dict[str, str | bytes]) -> None:
        env["TERM"] = terminal.name
        typed, shown, path = terminal.open()
        try:
            child = self._house.children.spawn(self._house.begin, env, path)
        except OSError:
            _close(typed, shown)
            terminal.close()
            raise
        finally:
            terminal.started()
        self._child = child
        outputs = (_thread(self._pump_out, shown, self._channel.sendall),)
        _thread(self._pump_in, typed)
        _thread(self._finish, child, outputs)

    def _finish(self, child: Child, outputs: tuple[threading.Thread, ...]) -> None:
        code = child.wait()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.send_exit_status(code)
        for thread in outputs:
            thread.join()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()
        self._channel.close()

    def _pump_out(self, source: int, send: Callable[[bytes], None]) -> None:
        """Program → client, until nobody can write any more or the client has gone."""
        waiting = select.poll()
        waiting.register(source, select.POLLIN)
        try:
            while True:
                if waiting.poll(1000):
                    chunk = os.read(source, _CHUNK)
                    if not chunk:
                        break
                    send(chunk)
                elif self._channel.closed or self._hung_up():
                    break
        except (OSError, EOFError, paramiko.SSHException):
            pass  # EIO is a terminal's end; the others are the client's
        finally:
            os.close(source)
            if self._terminal is not None:
                self._terminal.close()

    def _hung_up(self) -> bool:
        """On a terminal, the end of the shell is the end; what it left behind does not hold it."""
        return self._terminal is not None and self._child is not None and self._child.ended

    def _pump_in(self, target: int) -> None:
        """Client → program. The window opens again only as the program reads."""
        reading = True
        try:
            while chunk := self._channel.recv(_CHUNK):
                # After the program closed its input the rest is dropped, else the client would wait.
                reading = reading and _write(target, chunk)
        except (OSError, EOFError, paramiko.SSHException):
            pass
        finally:
            os.close(target)

    def _refuse(self, why: str) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.sendall_stderr(f"the sandbox cannot start a session: {why}\n".encode())
            self._channel.send_exit_status(126)
        self._channel.close()


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
                self._sessions[number] = Session(channel, self._house)
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

    def serve(self, host_key: paramiko.PKey, house: House) -> None:
        """Talk to the client until it goes. Runs in a thread of its own."""
        try:
            self.add_server_key(host_key)
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


def _thread(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def _write(target: int, data: bytes) -> bool:
    """Write all of it; False where nobody reads any more."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError:
        return False
    return True


def _close(*numbers: int) -> None:
    for number in numbers:
        os.close(number)
