"""gdb on a program behind a real sshd: a breakpoint in the user's own C++, and whatever ends a session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack.errors import Exit
from edgepack.tools.runner import command, run

from . import reference
from .project import HOST_TARGET, Project

NODE = "box-07"
PATIENCE_S = 180.0
BREAK = "break src/post.cpp:14"


@dataclass(frozen=True)
class Site:
    """A sandbox with the example's release on it."""

    project: Project

    def pid(self) -> int:
        (row,) = self.project.said("status", NODE)
        assert row["state"] == "running", row
        return int(row["pid"])

    def ask(self) -> list[int]:
        images = sorted((self.project.folder / "data/val").glob("*.pgm"))[:3]
        return [answer["class"] for answer in self.project.said("ask", NODE, *images)]

    def truth(self) -> list[int]:
        return list(reference.of(self.project.folder).classes[:3])

    def start(self, *words: str) -> subprocess.Popen[str]:
        cmd = self.project.command("debug", NODE, *words)
        return subprocess.Popen(
            list(cmd.argv), env={**os.environ, **cmd.env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", start_new_session=True,
        )  # fmt: skip

    def left(self) -> list[str]:
        """What of a session is still on the box: its processes, its folder."""
        sandbox = self.project.folder / ".edgepack" / "sandbox"
        token = str(sandbox)
        found = [str(path) for path in sandbox.rglob("debug/*")]
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                where = str(entry.with_name("cwd").readlink())
            except OSError:
                continue
            if "gdbserver" in words and (token in words or token in where):
                found.append(words)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    project = Project(tmp_path_factory.mktemp("debug") / "digits")
    (project.folder / "fleet.yaml").unlink()
    project.said("build", HOST_TARGET)
    project.said("sandbox", "up", NODE, "--target", HOST_TARGET)
    try:
        project.said("deploy", NODE)
        yield Site(project)
    finally:
        project.run("sandbox", "down", NODE)


def until(what: Callable[[], Any]) -> None:
    last = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < last, "it did not come to that"
        time.sleep(0.2)


def heard(process: subprocess.Popen[str], words: str) -> list[str]:
    """Its lines until one has these words."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


def test_a_breakpoint_in_the_users_own_source(site: Site) -> None:
    pid = site.pid()
    said_to_gdb = (BREAK, "continue", "info locals", "delete", "detach")
    debugger = site.start("--batch", *(word for line in said_to_gdb for word in ("-ex", line)))
    heard(debugger, "Breakpoint 1 at")
    assert site.ask() == site.truth()
    said, _ = debugger.communicate(timeout=PATIENCE_S)
    assert debugger.returncode == 0, said
    assert "hit Breakpoint 1, decode" in said
    assert "best = " in said
    assert "/user/src/post.cpp" in said
    assert site.pid() == pid
    assert site.left() == []


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_session_that_is_cut_off_while_the_program_runs(site: Site, sign: signal.Signals) -> None:
    pid = site.pid()
    debugger = site.start("--batch", "-ex", BREAK, "-ex", "continue")
    heard(debugger, "Breakpoint 1 at")
    until(lambda: "z0," in "".join(path.read_text() for path in site.project.folder.rglob("debug/s-*/undo")))
    debugger.send_signal(sign)
    debugger.communicate(timeout=PATIENCE_S)
    until(lambda: site.left() == [])
    assert "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text()
    assert site.ask() == site.truth()
    assert site.pid() == pid  # a breakpoint that was left behind would have been its end


def test_a_port_for_editors_serves_one_after_the_other_and_a_core(site: Site, tmp_path: Path) -> None:
    pid = site.pid()
    core = tmp_path / "core"
    server = site.start("--port", "0", "--json", "-q")
    shown = json.loads("".join(heard(server, "}")))
    assert shown["address"].startswith("127.0.0.1:")
    for more in (["info threads"], [f"generate-core-file {core}"]):
        words = [*shown["gdb"], "-batch", *(word for line in [*more, "detach"] for word in ("-ex", line))]
        done = run(command(*words, timeout_s=PATIENCE_S))
        assert done.ok, done.text()
        assert "detached" in done.text()
        until(lambda: site.left() == [])
    server.send_signal(signal.SIGTERM)  # as an editor ends its task
    server.communicate(timeout=PATIENCE_S)
    assert server.returncode == Exit.INTERRUPTED
    assert site.pid() == pid
    opened = site.project.run("debug", "--core", core, "--batch", "-ex", "info threads")
    assert opened.ok, opened.text()
    assert "sigtimedwait" in opened.text() or "__syscall" in opened.text() or "digits" in opened.text()


def test_symbols_that_are_not_here(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = tmp_path / "share"
    assert site.project.said("debug", share, "--symbols", "export")["new"]
    cmd = site.project.command("debug", NODE, "--port", "0", "--json")
    env = {**cmd.env, "EDGEPACK_CACHE": str(tmp_path / "empty")}
    done = run(command(*cmd.argv, env=env, timeout_s=PATIENCE_S))
    told = json.loads(done.stdout)
    assert done.returncode == Exit.INPUT
    build_id = told["what"].rpartition(" ")[2]
    assert (share / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug").is_file()
    words = site.project.command("debug", share, "--symbols", "import", "--json").argv
    taken = json.loads(run(command(*words, env=env)).stdout)
    assert build_id in taken["new"]
    assert site.left() == []
