"""A box to talk to: commands over one connection, and the script's nouns as calls.

Whatever answers may be broken or hostile: all that is read has a limit, and silence has one too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from edgepack.box import script
from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError, PreflightError, UnreachableError, from_box
from edgepack.box.link import Stream, connect

_FOR_EVER_S = 7 * 86_400.0
SILENCE_S = 60.0  # the script gives a sign of life each second in whatever takes long
MAX_LINE = 1 << 20  # bytes
MAX_OUTPUT = 16 << 20  # bytes of one call that is not a stream
MAX_NOISE = 64  # lines that a login script may say before ours
_MAX_SAID = 64 << 10  # bytes of stderr
_FAILED = "edgepack-error "


@dataclass(frozen=True)
class Result:
    """What came of a command. ``rc`` is its exit status."""

    stdout: bytes
    stderr: bytes
    rc: int


class Box:
    """One box, connected. Use it as a context, so that the connection ends with the work."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect. Raises UnreachableError or HostKeyError."""
        self.endpoint = endpoint
        self._link = connect(endpoint)
        self._stored: bool | None = None  # whether the script is on the box; the first call finds out

    def __enter__(self) -> Box:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and those to the hosts it goes through."""
        self._link.close()

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known here."""
        return self._link.alive

    def exec(self, command: str, stdin: Iterable[bytes] = (), silence_s: float = SILENCE_S) -> Result:
        """Run a command line to its end. Raises UnreachableError where the link breaks or is silent."""
        with self._channel(command, silence_s) as channel:
            self._send(channel, stdin)
            out = bytearray()
            err = bytearray()
            for chunk in self._chunks(channel, err):
                out += chunk
                if len(out) > MAX_OUTPUT:
                    raise self._broken(f"it said more than {MAX_OUTPUT} bytes")
            return Result(bytes(out), bytes(err), self._status(channel))

    @contextlib.contextmanager
    def talk(self, command: str) -> Iterator[Stream]:
        """A command line to talk to while it runs, silent for as long as it likes; it ends with the context.

        Raises UnreachableError where the link breaks.
        """
        with self._channel(command, _FOR_EVER_S) as channel:
            yield channel

    def call(
        self, noun: str, *arguments: str, stdin: Iterable[bytes] = (), silence_s: float = SILENCE_S
    ) -> list[str]:
        """Call the script and return what it said, a line each.

        ``stdin`` of a noun that only reads must be a sequence: it may have to be sent twice.
        Raises what ``from_box`` makes of a failure, and UnreachableError.
        """
        lines, size = [], 0
        for line in self.stream(noun, *arguments, stdin=stdin, silence_s=silence_s):
            size += len(line)
            if size > MAX_OUTPUT:
                raise self._broken(f"it said more than {MAX_OUTPUT} bytes")
            if line != ".":
                lines.append(line)
        return lines

    def stream(
        self, noun: str, *arguments: str, stdin: Iterable[bytes] = (), silence_s: float = SILENCE_S
    ) -> Generator[str, None, None]:
        """The same, line by line as they come, signs of life (``.``) among them.

        Closing the iterator ends the command on the box.
        """
        root = self.endpoint.root
        reads = noun in script.READS
        if not reads:
            self._store()
        if self._stored is not False:
            lines = self._greeted(script.stored(root, noun, arguments), stdin, silence_s)
            if next(lines, None) is not None:
                self._stored = True
                yield from lines
                return
            if not reads:
                raise self._deaf("it could not run the script it had stored")
            self._stored = False
        text = script.piped_text(b"".join(stdin))
        lines = self._greeted(script.piped(root, noun, arguments), [text], silence_s)
        if next(lines, None) is None:
            raise self._deaf("its login does not run a POSIX shell")
        yield from lines

    def _greeted(self, command: str, stdin: Iterable[bytes], silence_s: float) -> Iterator[str]:
        """The script's greeting, then its lines; nothing at all where there is no script to run."""
        with self._channel(command, silence_s) as channel:
            self._send(channel, stdin)
            err = bytearray()
            greeted = False
            for count, line in enumerate(self._lines(self._chunks(channel, err))):
                if greeted:
                    yield line
                elif line == script.GREETING:
                    greeted = True
                    yield line
                elif count > MAX_NOISE:
                    raise self._deaf("its login writes a lot before anything can be run")
            self._judge(self._status(channel), err.decode("utf-8", "replace"), greeted)

    def _judge(self, status: int, said: str, greeted: bool) -> None:
        for line in said.splitlines():
            if line.startswith(_FAILED):
                kind, _, sentence = line.removeprefix(_FAILED).partition(" ")
                raise from_box(kind, sentence, self.endpoint.where)
        if greeted and status != 0:
            raise BoxError(
                f"edgepack's script on the box ended with {status}",
                "script",
                where=self.endpoint.where,
                detail=said.strip(),
            )

    def _store(self) -> None:
        """Have the script on the box. Raises PreflightError where it cannot be written."""
        root = self.endpoint.root
        if self._stored is None:
            self._stored = self.exec(script.present(root)).rc == 0
        if self._stored:
            return
        done = self.exec(script.install(root), [script.text()])
        if done.rc != 0:
            raise PreflightError(
                f"nothing can be written below {root} on the box",
                where=self.endpoint.where,
                fix="give the account that folder, free some space, or set another `root:` in fleet.yaml",
                detail=done.stderr.decode("utf-8", "replace").strip(),
            )
        self._stored = True

    @contextlib.contextmanager
    def _channel(self, command: str, silence_s: float) -> Iterator[Stream]:
        try:
            with self._link.run(command, silence_s) as stream:
                yield stream
        except TimeoutError as error:
            raise self._broken(f"it has been silent for {silence_s:.0f} s") from error
        except OSError as error:
            raise self._broken(str(error) or type(error).__name__) from error

    def _send(self, channel: Stream, stdin: Iterable[bytes]) -> None:
        # Where the command ended without reading it all, what it said tells why.
        with contextlib.suppress(BrokenPipeError):
            for data in stdin:
                channel.send(data)
            channel.end()

    def _chunks(self, channel: Stream, err: bytearray) -> Iterator[bytes]:
        """stdout as it comes; what is said on stderr meanwhile, or its beginning, goes to ``err``."""
        while chunk := channel.read(err):
            del err[_MAX_SAID:]
            yield chunk
        del err[_MAX_SAID:]

    def _lines(self, chunks: Iterable[bytes]) -> Iterator[str]:
        rest = b""
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
            if len(rest) > MAX_LINE:
                raise self._broken(f"it sent a line of more than {MAX_LINE} bytes")
        if rest:
            yield rest.decode("utf-8", "replace")

    def _status(self, channel: Stream) -> int:
        status = channel.status()
        if status is None:
            raise self._broken("the connection ended before the command did")
        return status

    def _broken(self, why: str) -> UnreachableError:
        return UnreachableError(
            "the connection to the box broke",
            where=self.endpoint.where,
            why=why,
            fix="run the same command again; it goes on from what is there",
        )

    def _deaf(self, why: str) -> UnreachableError:
        return UnreachableError(
            "the box takes the connection, but does not run commands",
            where=self.endpoint.where,
            why=why,
            fix="give edgepack an account with a POSIX shell (busybox's is enough) and no forced command",
        )
