from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.errors import Exit
from edgepack.sandbox import box, login, processes
from edgepack.sandbox.errors import NodeNameError, OtherBoxError, SandboxError
from edgepack.sandbox.state import SandboxState
from edgepack.tools import qemu
from tests.sandbox.conftest import HOST, execute, silent

FOREIGN = "riscv64" if HOST != "riscv64" else "aarch64"
EMULATOR = f"qemu-{qemu.NAMES[FOREIGN]}"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    yield folder
    for name in os.listdir(folder / ".edgepack/sandbox") if (folder / ".edgepack").exists() else ():
        box.down(folder, name)


def bring(project: Path, node: str = "box-07") -> SandboxState:
    return box.up(project, node, HOST, HOST, silent, "builtin")


def run(state: SandboxState, command: str) -> str:
    with login.connect(state) as client:
        return execute(client, command)[1].decode().strip()


def lives(pid: int) -> bool:
    return pid in processes.table()


def gone(pid: int, within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not lives(pid)


def leave_running(state: SandboxState, command: str = "sleep 600") -> int:
    """Start what a deploy leaves behind: a program in a session of its own, without a terminal."""
    command = f"setsid {command} </dev/null >/dev/null 2>&1 & echo $!"
    return int(run(state, command))


def test_the_state_says_all_that_a_client_needs_and_only_its_user_may_read_it(project: Path) -> None:
    state = bring(project)
    folder = project / ".edgepack/sandbox/box-07"
    assert json.loads((folder / "state.json").read_text()) == dataclasses.asdict(state)
    assert (state.node, state.target, state.arch, state.emulator) == ("box-07", HOST, HOST, None)
    assert state.server == "builtin"
    assert state.host_key.startswith("ssh-ed25519 AAAA")
    assert Path(state.root).is_relative_to(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("state.json", "id_ed25519", "host_ed25519", "server.json", "server.log"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    assert box.find(project, "box-07") == state
    assert box.list_all(project) == (state,)
    assert box.is_up(project, "box-07")


def test_it_listens_on_loopback_only(project: Path) -> None:
    port = f"{bring(project).port:04X}"
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port}")
    ]
    assert listening == [f"0100007F:{port}"]  # 127.0.0.1, as proc(5) writes it


def test_up_of_a_box_that_is_up_says_so_and_changes_nothing(project: Path) -> None:
    first = bring(project)
    said: list[str] = []
    again = box.up(project, "box-07", HOST, HOST, lambda text, *_: said.append(text))
    assert again == first
    assert said == ["box-07 is already up"]


def test_a_box_is_not_silently_made_another(project: Path) -> None:
    bring(project)
    with pytest.raises(OtherBoxError, match="not a raspberry-pi-4") as caught:
        box.up(project, "box-07", "raspberry-pi-4", "aarch64", silent)
    assert caught.value.fix.startswith("edgepack sandbox down box-07")
    with pytest.raises(OtherBoxError, match="served by builtin"):
        box.up(project, "box-07", HOST, HOST, silent, "sshd")


def test_boxes_stand_beside_each_other_and_come_down_alone(project: Path) -> None:
    # One name begins with the other: neither may end the other's programs.
    longer, shorter = bring(project, "box-07"), bring(project, "box-0")
    stays, goes = leave_running(longer), leave_running(shorter)
    assert [b.node for b in box.list_all(project)] == ["box-0", "box-07"]
    assert box.down(project, "box-0")
    assert gone(goes)
    assert lives(stays)
    assert lives(longer.pid)
    assert [b.node for b in box.list_all(project)] == ["box-07"]


LEFT = {
    "a program": "sleep 600",
    "one that cleared its environment": "env -i sleep 600",
    "one that does not want to go": "sh -c 'trap \"\" TERM; while :; do sleep 1; done'",
    "a supervisor that starts it again": "sh -c 'while :; do sleep 600; done'",
    "one that is stopped": "sh -c 'kill -STOP $$'",
}


@pytest.mark.parametrize("command", LEFT.values(), ids=LEFT)
def test_down_leaves_no_process_and_no_file(project: Path, command: str) -> None:
    state = bring(project)
    pid = leave_running(state, command)
    run(state, "mkdir -p edgepack/read-only/a && touch edgepack/read-only/a/b && chmod -R a-w edgepack")
    time.sleep(0.1)
    children = {pid, *processes.below(pid)}
    assert box.down(project, "box-07")
    assert [p for p in (*children, state.pid) if lives(p)] == []
    assert list(project.iterdir()) == []
    assert not box.down(project, "box-07")
    assert box.find(project, "box-07") is None
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", state.port), 5):
        pass


def test_down_follows_no_link_out_of_the_box(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "file").write_text("kept")
    state = bring(project)
    run(state, f"ln -s '{outside}' folder; ln -s '{outside}/file' file")
    assert box.down(project, "box-07")
    assert (outside / "file").read_text() == "kept"
    assert outside.stat().st_mode & 0o777 == 0o755


def test_a_box_whose_server_was_killed_comes_back_as_itself(project: Path) -> None:
    first = bring(project)
    run(first, "mkdir edgepack && echo kept > edgepack/file")
    program = leave_running(first)
    os.kill(first.pid, signal.SIGKILL)
    assert gone(first.pid)
    assert not box.is_up(project, "box-07")
    second = bring(project)
    assert second == dataclasses.replace(first, pid=second.pid)  # the same port and host key too
    assert run(second, "cat edgepack/file") == "kept"
    assert lives(program)
    assert box.down(project, "box-07")
    assert gone(program)


def test_a_pid_that_is_another_process_now_is_not_taken_for_the_server(project: Path) -> None:
    state = bring(project)
    os.kill(state.pid, signal.SIGKILL)
    assert gone(state.pid)
    file = project / ".edgepack/sandbox/box-07/state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": os.getpid()}))
    assert not box.is_up(project, "box-07")
    assert box.down(project, "box-07")


def test_a_server_whose_folder_was_deleted_ends_by_itself(project: Path) -> None:
    import shutil

    state = bring(project)
    program = leave_running(state)
    shutil.rmtree(project / ".edgepack")
    assert gone(state.pid)
    assert gone(program)


def test_a_damaged_state_says_what_to_do_and_down_still_works(project: Path) -> None:
    state = bring(project)
    (project / ".edgepack/sandbox/box-07/state.json").write_text("{")
    with pytest.raises(SandboxError, match="cannot be read") as caught:
        box.find(project, "box-07")
    assert "sandbox down box-07" in caught.value.fix
    assert box.down(project, "box-07")
    assert gone(state.pid)


@pytest.mark.parametrize("at", ["starting", "written"])
def test_an_interrupted_up_leaves_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    pids: list[int] = []

    def interrupt(*args: object) -> None:
        pids.extend(processes.servers(project / ".edgepack/sandbox/box-07"))
        raise KeyboardInterrupt

    if at == "written":
        monkeypatch.setattr("edgepack.sandbox.state.write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        box.up(project, "box-07", HOST, HOST, interrupt if at == "starting" else silent, "builtin")
    assert list(project.iterdir()) == []
    assert len(pids) == (at == "written")
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-x", "a b", "a\n", "é", "x" * 64, "$(id)"])
def test_a_name_that_no_folder_should_have_is_refused(project: Path, name: str) -> None:
    with pytest.raises(NodeNameError) as caught:
        box.up(project, name, HOST, HOST, silent)
    assert caught.value.exit_code == Exit.INPUT
    assert list(project.iterdir()) == []


def test_a_foreign_box_without_an_emulator_is_refused_and_the_hosts_own_offered(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", f"file:{tmp_path}/nothing-here")
    with pytest.raises(SandboxError, match=f"cannot.*{FOREIGN}|{FOREIGN}.*cannot") as caught:
        box.up(project, "box-07", FOREIGN, FOREIGN, silent)
    assert caught.value.exit_code == Exit.TOOL
    assert EMULATOR in caught.value.fix
    assert f"edgepack sandbox up box-07-local --target {HOST}" in caught.value.fix
    assert list(project.iterdir()) == []


def fake_sshd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An sshd that is there and cannot be used, as Debian's for root without its folder in /run."""
    program = folder / "sshd"
    program.write_text("#!/bin/sh\necho 'Missing privilege separation directory' >&2\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_where_the_hosts_sshd_cannot_be_used_edgepacks_own_serves(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sshd(tmp_path, monkeypatch)
    said: list[str] = []
    state = box.up(project, "box-07", HOST, HOST, lambda text, *_: said.append(text), "auto")
    assert state.server == "builtin"
    assert "not with the host's sshd: it refuses its configuration: Missing privilege" in " ".join(said)
    assert run(state, "echo works") == "works"


def test_where_only_the_hosts_sshd_would_do_its_reason_is_told(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sshd(tmp_path, monkeypatch)
    with pytest.raises(SandboxError, match="has no SSH server") as caught:
        box.up(project, "box-07", HOST, HOST, silent, "sshd")
    assert "Missing privilege separation directory" in caught.value.detail
    assert list(project.iterdir()) == []


def test_a_host_that_is_not_linux_is_told_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="needs Linux"):
        box.up(project, "box-07", HOST, HOST, silent)


def test_the_developers_environment_stays_out_of_the_box_and_its_server(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "do-not-leak-this")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/do-not-leak-this")
    state = bring(project)
    assert "do-not-leak-this" not in run(state, "env")
    assert "do-not-leak-this" not in str(processes.environment(state.pid))


def test_two_ups_at_once_make_one_box(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edgepack.sandbox import box;"
        "print(box.up(Path(sys.argv[1]), 'box-07', *sys.argv[2:4], lambda *_: None, 'builtin').pid)"
    )
    argv = [sys.executable, "-c", code, str(project), HOST, HOST]
    with contextlib.ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(box.__file__).parents[2])
            )
            for _ in range(2)
        ]
        pids = {int(p.communicate(timeout=60)[0]) for p in both}
    assert len(pids) == 1
    assert pids == processes.servers(project.resolve() / ".edgepack/sandbox/box-07")
