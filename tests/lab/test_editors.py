"""What an editor's files tell gdb, run through its machine interface as written.

cppdbg and CodeLLDB themselves are *by contract only*.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from edgepack.compile.toolchains.select import toolchain
from edgepack.debug import editors, gdb, jsonc
from edgepack.tools import gdb as tool
from edgepack.tools import qemu
from edgepack.tools.runner import command, run

PATIENCE_S = 120
SOURCE = """\
static volatile int answer = 20;
__attribute__((noinline, optnone)) static int post(int by) {
  int sum = answer + by;
  answer = sum;
  return sum;
}
int main(void) { return post(22) == 42 ? 7 : 1; }
"""


class Mi:
    """gdb, asked as an editor's adapter asks it."""

    def __init__(self, program: str) -> None:
        words = [program, "-nx", "--interpreter=mi2"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        self._lines: Queue[str] = Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def until(self, begins: tuple[str, ...]) -> str:
        seen = []
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=1)
            except Empty:
                continue
            seen.append(line)
            if line.startswith(begins):
                return line
        raise AssertionError(seen)

    def ask(self, words: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        answer = self.until(("^done", "^connected", "^running", "^error", "^exit"))
        assert not answer.startswith("^error"), (words, answer)
        return answer


@pytest.fixture
def wanted(tmp_path: Path) -> editors.Wanted:
    """A project in a folder with a space, its program for another architecture, and where its symbols are."""
    project = tmp_path / "my project"
    (project / "src").mkdir(parents=True)
    source, program = project / "src" / "post.c", tmp_path / "digits"
    source.write_text(SOURCE)
    cc = toolchain("zig", "aarch64")
    # As programs are compiled, so that zig's libraries are the ones that are there.
    words = (*cc.flags.compile, *cc.flags.release, *cc.flags.link, f"-ffile-prefix-map={project}=/user")
    made = run(command(*cc.cc, *words, source, "-o", program, cwd=project, env=cc.env))
    assert made.ok, made.text()
    editors.point(project, "box-07", program)
    setup = gdb.Setup("aarch64", editors.link(project, "box-07"), sources={"/user": project})
    return editors.Wanted("box-07", project, tool.find("aarch64"), setup)


@pytest.fixture
def stub(wanted: editors.Wanted) -> Iterator[subprocess.Popen[bytes]]:
    """The program, stopped at its beginning, behind gdb's protocol on the port that the files name."""
    emulator = qemu.find("aarch64") or qemu.fetch("aarch64", print)
    program = editors.link(wanted.project, "box-07").resolve()
    with subprocess.Popen([emulator, "-g", str(wanted.port), program]) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not listens(wanted.port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
        process.kill()


def listens(port: int) -> bool:
    """By the kernel's list: the stub serves one connection, and a look by connecting would be that one."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)


def test_the_files_gdb_commands_reach_a_breakpoint_in_the_users_source(
    wanted: editors.Wanted, stub: subprocess.Popen[bytes]
) -> None:
    written = editors.write_vscode(wanted)
    assert ".vscode/launch.json" in written.changed
    text = (wanted.project / ".vscode" / "launch.json").read_text()
    text = text.replace("${workspaceFolder}", str(wanted.project))  # as the editor does
    launch = jsonc.read(text).value["configurations"][0]
    mi = Mi(launch["miDebuggerPath"])
    try:
        for each in launch["setupCommands"]:
            mi.ask(f"-interpreter-exec console {json.dumps(each['text'])}")
        mi.ask(f"-file-exec-and-symbols {json.dumps(launch['program'])}")
        mi.ask(f"-target-select remote {launch['miDebuggerServerAddress']}")
        mi.ask("-break-insert post.c:4")
        mi.ask("-exec-continue")
        stopped = mi.until(("*stopped",))
        assert 'reason="breakpoint-hit"' in stopped
        assert f'fullname="{wanted.project}/src/post.c"' in stopped
        assert re.search(r'value="42"', mi.ask("-data-evaluate-expression sum"))
        mi.ask("-exec-continue")
        mi.until(("*stopped",))
    finally:
        mi.process.kill()
        mi.process.communicate()
    assert stub.wait(PATIENCE_S) == 7, "the answer is still right"


def test_gdb_takes_the_gdbinit_as_it_is(wanted: editors.Wanted) -> None:
    editors.write_vscode(wanted)
    init = wanted.project / ".gdbinit"
    words = (wanted.gdb, "-nx", "-batch", "-x", init, "-ex", "info line post.c:3", "-ex", "list post.c:3,3")
    done = run(command(*words, cwd=wanted.project, timeout_s=PATIENCE_S))
    assert done.ok, done.text()
    assert "int sum = answer + by;" in done.text()
