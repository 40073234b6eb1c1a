"""The connection by this host's own ssh: what only that can do (hardware keys, Match exec) works here too.

One master process holds the connection; each command is a client of its socket: ssh_config(5), ControlMaster.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edgepack.box.connection import ALIVE_S, CONNECT_S
from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.errors import InputError
from edgepack.tools.runner import Piped, command, piped

_CHUNK = 64 << 10
_MOST_SAID = 64 << 10  # bytes of the master's own words that are kept
_NO_STATUS = 255  # ssh's own exit status where it failed, ssh(1)
_PATIENCE_S = 90.0  # until the connection stands: hops, a key that wants to be touched
_LONGEST = 60  # bytes of the path of a folder for temporary files
_ALIAS = "edgepack-box"  # the pinned key's name


def argv(endpoint: Endpoint, folder: Path) -> tuple[str, ...]:
    """The master's command line. ``folder``: its own, with its socket, and the pinned key if there is one."""
    words = ["ssh", "-N", "-T", "-o", "ControlMaster=yes", "-o", f"ControlPath={folder / 'c'}"]
    # Nothing is ever asked, nothing forwarded, and no key is taken because it was there first.
    words += _options(
        BatchMode="yes",
        StrictHostKeyChecking="yes",
        UpdateHostKeys="no",
        ClearAllForwardings="yes",
        RemoteCommand="none",
        ConnectTimeout=str(CONNECT_S),
        ServerAliveInterval=str(ALIVE_S),
        ServerAliveCountMax="4",
        LogLevel="ERROR",
    )
    if endpoint.host_key:
        words += _options(
            UserKnownHostsFile=str(folder / "known_hosts"), GlobalKnownHostsFile="none", HostKeyAlias=_ALIAS
        )
    if endpoint.identity is not None:
        words += ["-i", str(endpoint.identity.expanduser()), *_options(IdentitiesOnly="yes")]
    for flag, value in (("-p", endpoint.port), ("-l", endpoint.user), ("-J", endpoint.jump)):
        words += [flag, str(value)] if value else []
    return (*words, "--", endpoint.host)


def _options(**options: str) -> list[str]:
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


class SshLink:
    """A master process, for as long as the link stands."""

    def __init__(self, endpoint: Endpoint) -> None:
        if endpoint.identity is not None and not endpoint.identity.expanduser().is_file():
            raise InputError(
                "the private key is not there",
                where=str(endpoint.identity),
                why=f"`identity:` of {endpoint.node} names it",
                fix="give the path of a private key file, or leave it out to use your own keys",
            )
        self._endpoint = endpoint
        self._said = bytearray()
        self._stack = contextlib.ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="edgepack-ssh-", dir=_short()))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            if endpoint.host_key:
                (self._folder / "known_hosts").write_text(f"{_ALIAS} {endpoint.host_key}\n")
            self._master = self._stack.enter_context(piped(command(*argv(endpoint, self._folder))))
            threading.Thread(target=self._listen, daemon=True).start()
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return self._master.poll() is None

    def close(self) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def run(self, command_line: str, silence_s: float) -> Iterator[SshStream]:
        words = ["ssh", "-T", "-S", str(self._folder / "c")]
        # Where the master has gone, a client would connect by itself: this keeps it from that.
        words += _options(
            ControlMaster="no", ProxyCommand="false", BatchMode="yes", RemoteCommand="none", LogLevel="ERROR"
        )
        words += ["--", self._endpoint.host, command_line]
        with piped(command(*words)) as process:
            yield SshStream(process, silence_s)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._master.stderr, _CHUNK):
                self._said += chunk[: max(0, _MOST_SAID - len(self._said))]

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not (self._folder / "c").exists():
            if not self.alive:
                time.sleep(0.1)  # its last words
                raise self._unreachable()
            if time.monotonic() > end:
                raise UnreachableError(
                    f"ssh is not connected after {_PATIENCE_S:.0f} s",
                    where=self._endpoint.where,
                    why=self._words(),
                    fix=f"try it: {' '.join(argv(self._endpoint, Path()))}",
                )
            time.sleep(0.01)

    def _words(self) -> str:
        lines = [line.strip() for line in self._said.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def _unreachable(self) -> UnreachableError | HostKeyError:
        """In words what kept us out; ssh's own are the cause."""
        said = self._said.decode("utf-8", "replace")
        where, host = self._endpoint.where, self._endpoint.host
        if "Host key verification failed" in said or "REMOTE HOST IDENTIFICATION HAS CHANGED" in said:
            whose = "the one in fleet.yaml" if self._endpoint.host_key else "one that somebody vouched for"
            return HostKeyError(
                f"the host key of {host} is not {whose}",
                where=where,
                why=said.strip().splitlines()[0],
                fix="compare its fingerprint on the box, then write it into fleet.yaml as `host_key:`",
                detail=said.strip(),
            )
        refused = "Permission denied" in said
        return UnreachableError(
            f"{host} does not let us in" if refused else f"ssh does not get through to {host}",
            where=where,
            why=self._words(),
            fix="put your public key into the account's authorized_keys on the box, or load it: ssh-add"
            if refused
            else "check that the box is on, `address:` and `port:` in fleet.yaml, and your ~/.ssh/config",
            detail=said.strip(),
        )


def _short() -> str:
    """A folder for a socket, whose path has 107 bytes at the most (unix(7)), of which ssh adds 17 itself."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= _LONGEST else "/tmp"  # noqa: S108 - mkdtemp makes a folder of 0700 in it


class SshStream:
    """One client of the master."""

    def __init__(self, process: Piped, silence_s: float) -> None:
        self._process, self._silence_s = process, silence_s
        self._open = {process.stdout, process.stderr}
        os.set_blocking(process.stdin, False)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [self._process.stdin], [], self._silence_s)
            if not ready:
                raise TimeoutError
            view = view[os.write(self._process.stdin, view) :]

    def end(self) -> None:
        self._process.close_stdin()

    def read(self, err: bytearray) -> bytes:
        while self._open:
            ready, _, _ = select.select(list(self._open), [], [], self._silence_s)
            if not ready:
                raise TimeoutError
            for pipe in ready:
                if not (chunk := os.read(pipe, _CHUNK)):
                    self._open.discard(pipe)
                elif pipe == self._process.stderr:
                    err += chunk
                else:
                    return chunk
        return b""

    def status(self) -> int | None:
        status = self._process.wait(CONNECT_S)
        return None if status == _NO_STATUS else status
