"""A long command is heard line by line, and ends with what started it."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from edgepack.tools.runner import command, run_lines


def test_lines_come_while_the_command_runs_in_one_order(tmp_path: Path) -> None:
    script = "echo one; sleep 0.3; echo two >&2; printf three; exit 4"
    heard: list[tuple[str, float]] = []
    log = tmp_path / "deep" / "log"
    done = run_lines(
        command("sh", "-c", script), lambda line: heard.append((line, time.monotonic())), log=log
    )
    assert [line for line, _ in heard] == ["one", "two", "three"]
    assert heard[1][1] - heard[0][1] > 0.2
    assert (done.returncode, done.text(), done.timed_out) == (4, "one\ntwo\nthree", False)
    assert log.read_text() == f"$ sh -c {script}\none\ntwo\nthree[exit 4]\n"


def test_a_command_gets_its_input() -> None:
    heard: list[str] = []
    run_lines(command("cat", stdin=b"a\nb\n"), heard.append)
    assert heard == ["a", "b"]


def test_a_command_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    done = run_lines(command("sh", "-c", "echo on; sleep 30", timeout_s=0.3), lambda _line: None)
    assert done.timed_out
    assert not done.ok
    assert time.monotonic() - began < 10


def test_an_interrupt_ends_the_commands_children_too() -> None:
    pids: list[int] = []

    def heard(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_lines(command("sh", "-c", "sleep 60 & echo $!; wait"), heard)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _alive(pids[0]):
        time.sleep(0.02)
    assert not _alive(pids[0])


def test_ctrl_c_in_a_real_edgepack_leaves_nothing_running(tmp_path: Path) -> None:
    """stop_all from another thread, as the pipeline does it: the waiting call raises KeyboardInterrupt."""
    code = (
        "import threading, edgepack.tools.runner as r\n"
        "threading.Timer(0.5, r.stop_all).start()\n"
        "try:\n"
        "    r.run_lines(r.command('sh', '-c', 'echo $$; sleep 60'), lambda l: print(l, flush=True))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    heard: list[str] = []
    done = run_lines(command(sys.executable, "-c", code, timeout_s=20), heard.append)
    assert done.ok, done.text()
    assert heard[1] == "interrupted"
    assert not _alive(int(heard[0]))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # A zombie still answers: nobody has waited for a grandchild yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_two_at_once_do_not_mix() -> None:
    heard: dict[str, list[str]] = {"a": [], "b": []}

    def go(name: str) -> None:
        run_lines(command("sh", "-c", f"for i in 1 2 3; do echo {name}; done"), heard[name].append)

    threads = [threading.Thread(target=go, args=(name,)) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"a": ["a"] * 3, "b": ["b"] * 3}


def test_a_killed_command_says_by_what() -> None:
    done = run_lines(command("sh", "-c", "kill -KILL $$"), lambda _line: None)
    assert done.returncode == -signal.SIGKILL
