"""A session of edgepack's own SSH server: a program at one end, a client's channel at the other.

What it does follows OpenSSH's sshd: bytes pass unchanged and no faster than the other side
takes them, the exit status comes when the program ends, and the channel closes when nobody holds
its output open any more. One difference: a program ended by a signal is an exit status of 128 + n.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import paramiko

from edgepack.sandbox.children import Child

_CHUNK = 1 << 16


class Begin(Protocol):
    """Starts the program that begins every session of the box."""

    def __call__(self, env: Mapping[str, str | bytes], stdio: tuple[int, int, int] | str) -> Child: ...


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

    def __init__(self, channel: paramiko.Channel, begin: Begin) -> None:
        self._channel = channel
        self._begin = begin
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
            except (OSError, ValueError) as error:  # ValueError: a command with a zero byte
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
            child = self._begin(env, theirs)
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
            child = self._begin(env, path)
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
