"""The only place that starts a program. Commands are data: callers build argv and hand it over.

The whole process group of a command is ended when edgepack is interrupted or a time-out passes, so
that Ctrl-C leaves nothing running.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO

from edgepack.errors import ToolError


@dataclass(frozen=True)
class Command:
    """What to run: data, so that a dry run, a log and a test see the same object."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)  # added to, or over, the parent's
    only_env: bool = False  # the child sees `env` and nothing else
    stdin: bytes | None = None
    timeout_s: float | None = None
    memory_mb: int | None = None  # RLIMIT_AS of the child


@dataclass(frozen=True)
class Completed:
    """What came of it. ``output`` is stdout and stderr in the order they came when merged."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    def text(self) -> str:
        """stdout then stderr, decoded leniently: for logs and for a user's eyes."""
        return (self.stdout + self.stderr).decode("utf-8", "replace")


_running: set[subprocess.Popen[bytes]] = set()
_running_lock = threading.Lock()
_stopping = threading.Event()


def command(*argv: str | Path, cwd: Path | None = None, **rest: object) -> Command:
    """A ``Command`` from loose words: ``command("ninja", "-C", build)``."""
    return Command(tuple(str(a) for a in argv), cwd=cwd, **rest)  # type: ignore[arg-type]


def run(cmd: Command, *, log: Path | None = None) -> Completed:
    """Run to the end and return what came; a non-zero exit is the caller's to judge.

    Raises ToolError where the program is not there or not executable, and KeyboardInterrupt
    where edgepack was told to stop meanwhile.
    """
    if _stopping.is_set():
        raise KeyboardInterrupt
    with _spawn(cmd) as process:
        timed_out = False
        try:
            out, err = process.communicate(cmd.stdin, timeout=cmd.timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            _end(process)
            out, err = process.communicate()
    done = Completed(cmd.argv, process.returncode, out, err, timed_out)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as f:
            f.write(("$ " + " ".join(cmd.argv) + "\n").encode() + out + err)
            f.write(f"[exit {done.returncode}]\n".encode())
    if _stopping.is_set():
        raise KeyboardInterrupt
    return done


def run_lines(cmd: Command, on_line: Callable[[str], None], *, log: Path | None = None) -> Completed:
    """As ``run``, but each line of output (stdout and stderr together) is handed over as it comes.

    The lines are in ``stdout`` of what returns, and in ``log`` while the command still runs.
    """
    if _stopping.is_set():
        raise KeyboardInterrupt
    taken: list[bytes] = []
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(_spawn(cmd, merged=True))
        late = threading.Event()
        stack.callback(_timer(process, cmd.timeout_s, late).cancel)
        kept = _opened(log, stack)
        kept.write(("$ " + " ".join(cmd.argv) + "\n").encode())
        feeder = threading.Thread(target=_feed, args=(process, cmd.stdin), daemon=True)
        feeder.start()
        assert process.stdout is not None
        for line in stack.enter_context(process.stdout):
            taken.append(line)
            kept.write(line)
            kept.flush()
            on_line(line.decode("utf-8", "replace").rstrip("\r\n"))
        process.wait()
        feeder.join()
        kept.write(f"[exit {process.returncode}]\n".encode())
    if _stopping.is_set():
        raise KeyboardInterrupt
    return Completed(cmd.argv, process.returncode, b"".join(taken), b"", late.is_set())


class Piped:
    """A program that is talked to while it runs. Its three pipes are file descriptors."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process, self._stdin = process, process.stdin
        self.stdin, self.stdout, self.stderr = (
            pipe.fileno() for pipe in (process.stdin, process.stdout, process.stderr)
        )

    def close_stdin(self) -> None:
        """Nothing more comes."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status; None where it runs on after that time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


@contextlib.contextmanager
def piped(cmd: Command) -> Iterator[Piped]:
    """Start a program to talk to; it is ended, with all that it started, when the context ends.

    Raises as ``run`` does.
    """
    if _stopping.is_set():
        raise KeyboardInterrupt
    with _spawn(cmd, stdin=subprocess.PIPE) as process, contextlib.ExitStack() as pipes:
        for pipe in (process.stdout, process.stderr, process.stdin):
            assert pipe is not None
            pipes.callback(_close, pipe)
        pipes.callback(_end, process)
        yield Piped(process)


def foreground(cmd: Command) -> int:
    """Run a program that the user talks to, on their own terminal; its exit status.

    Ctrl-C is for it alone. Raises ToolError where it is not there.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the program would inherit
    try:
        process = subprocess.Popen(list(cmd.argv), cwd=cmd.cwd, env={**os.environ, **cmd.env})
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    except (FileNotFoundError, PermissionError) as error:
        raise ToolError(
            f"cannot start {cmd.argv[0]}", why=str(error), fix="install it, or put it on PATH"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def _timer(
    process: subprocess.Popen[bytes], timeout_s: float | None, late: threading.Event
) -> threading.Timer:
    def expire() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(timeout_s or 0.0, expire)
    timer.daemon = True
    if timeout_s is not None:
        timer.start()
    return timer


def _opened(log: Path | None, stack: contextlib.ExitStack) -> BinaryIO:
    if log is None:
        return stack.enter_context(open(os.devnull, "wb"))
    log.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(log.open("ab"))


def _feed(process: subprocess.Popen[bytes], stdin: bytes | None) -> None:
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(stdin or b"")


@contextlib.contextmanager
def _spawn(
    cmd: Command, *, merged: bool = False, stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    env = dict(cmd.env) if cmd.only_env else {**os.environ, **cmd.env}
    argv = list(cmd.argv)
    if cmd.memory_mb is not None:
        # A limit set by the shell, because preexec_fn is unsafe with threads.
        argv = ["/bin/sh", "-c", f'ulimit -v {cmd.memory_mb * 1024}; exec "$@"', "sh", *argv]
    try:
        process = subprocess.Popen(
            argv,
            cwd=cmd.cwd,
            env=env,
            stdin=subprocess.PIPE if cmd.stdin is not None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ToolError(
            f"cannot start {cmd.argv[0]}",
            why=str(error),
            fix="install it, or put it on PATH",
        ) from error
    with _running_lock:
        _running.add(process)
    try:
        if _stopping.is_set():  # since the caller looked: whoever said so did not see this one
            raise KeyboardInterrupt
        yield process
    except BaseException:
        _end(process)
        raise
    finally:
        with _running_lock:
            _running.discard(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command's whole process group, first asked, then made to; and all else of its session."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
            break
    _end_session(process.pid)


def _end_session(session: int) -> None:
    """End what is left of a command's session. A build tool may give its children process groups of their
    own; one that was stopped, or began while its parent was ended, would hold our pipe open for ever."""
    for _ in range(5):
        left = [pid for pid in _pids() if _session_of(pid) == session]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()] if Path("/proc").is_dir() else []


def _session_of(pid: int) -> int | None:
    """The session of a process that has not ended: proc(5), `stat`, whose second field may hold anything."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[3]) if fields[0] != "Z" else None


def stop_all() -> None:
    """End everything that runs; later calls of ``run`` refuse. For Ctrl-C in a threaded build."""
    _stopping.set()
    with _running_lock:
        running = list(_running)
    for process in running:
        _end(process)


def resume() -> None:
    """Let programs be started again, once all that ``stop_all`` interrupted has come to its end."""
    _stopping.clear()


def spawn_daemon(cmd: Command, log: Path) -> int:
    """Start a program that outlives edgepack (a sandbox's SSH server) and return its pid."""
    log.parent.mkdir(parents=True, exist_ok=True)
    env = dict(cmd.env) if cmd.only_env else {**os.environ, **cmd.env}
    try:
        with log.open("ab") as out:
            process = subprocess.Popen(
                list(cmd.argv),
                cwd=cmd.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
    except (FileNotFoundError, PermissionError) as error:
        raise ToolError(f"cannot start {cmd.argv[0]}", why=str(error)) from error
    process.returncode = 0  # it is not waited for: it is meant to live on
    return process.pid
