from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest

from edgepack.sandbox import keys, login
from edgepack.sandbox.state import SandboxState
from edgepack.tools import qemu
from tests.sandbox.conftest import HOST, Run, execute

ENDS = {
    "true": 0,
    "exit 3": 3,
    "no-such-program": 127,
    "kill -KILL $$": 128 + 9,
    "sh -c 'kill -TERM $$'": 128 + 15,
}


@pytest.mark.parametrize(("command", "code"), ENDS.items(), ids=ENDS)
def test_the_exit_status_is_the_commands(run: Run, command: str, code: int) -> None:
    assert run(command)[0] == code


def test_output_and_errors_come_apart_and_byte_for_byte(run: Run) -> None:
    code, out, err = run(r"printf '\000\377\r\n'; printf 'é' >&2; exit 1")
    assert (code, out, err) == (1, b"\x00\xff\r\n", "é".encode())


def test_a_command_is_taken_as_it_is(run: Run) -> None:
    assert run("""a='x  y'; printf '%s|' "$a" "it's" "$(echo nested)" '*'""")[1] == b"x  y|it's|nested|*|"


def test_standard_input_arrives_whole(run: Run) -> None:
    content = os.urandom(20_000_000)
    code, out, _ = run("sha256sum", content)
    assert (code, out.split()[0].decode()) == (0, hashlib.sha256(content).hexdigest())


def test_output_arrives_whole_at_a_reader_who_is_slow_to_begin(client: paramiko.SSHClient) -> None:
    _, stdout, _ = client.exec_command("head -c 20000000 /dev/zero; echo end", timeout=60)
    time.sleep(0.5)
    assert stdout.read() == bytes(20_000_000) + b"end\n"


def test_a_program_that_does_not_read_holds_its_sender_back(client: paramiko.SSHClient) -> None:
    channel = client.get_transport().open_session()  # type: ignore[union-attr]
    channel.exec_command("sleep 30")
    channel.settimeout(1)
    with pytest.raises(TimeoutError):
        channel.sendall(bytes(8_000_000))
    channel.close()


def test_input_that_nobody_reads_does_not_block_its_sender(client: paramiko.SSHClient) -> None:
    channel = client.get_transport().open_session()  # type: ignore[union-attr]
    channel.settimeout(60)
    channel.exec_command("exec <&-; while ! [ -e sent ]; do sleep 0.05; done; echo done")
    for _ in range(20):
        channel.sendall(bytes(1_000_000))
    execute(client, "touch sent")
    assert channel.makefile("rb").read() == b"done\n"


def test_twenty_sessions_at_once_on_one_connection(client: paramiko.SSHClient) -> None:
    def one(number: int) -> tuple[int, bytes, bytes]:
        return execute(client, f"sleep 0.2; cat; exit {number}", b"%d" % number * 100_000)

    with ThreadPoolExecutor(20) as pool:
        for number, (code, out, err) in enumerate(pool.map(one, range(20))):
            assert (code, out, err) == (number, b"%d" % number * 100_000, b"")


def test_many_connections_at_once(up: SandboxState) -> None:
    def one(number: int) -> bytes:
        with login.connect(up, 60) as client:
            return execute(client, f"echo {number}")[1]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [b"%d\n" % n for n in range(8)]


def test_short_sessions_one_after_another_lose_nothing(run: Run) -> None:
    assert [run(f"echo {n}")[:2] for n in range(100)] == [(0, b"%d\n" % n) for n in range(100)]


def test_what_a_session_leaves_running_outlives_it(run: Run) -> None:
    left = "sleep 60 </dev/null >/dev/null 2>&1 & echo $!"
    pid = int(run(left)[1])
    assert run(f"kill -0 {pid} && kill {pid}")[0] == 0


def test_a_shell_reads_commands_from_its_input(client: paramiko.SSHClient) -> None:
    channel = client.get_transport().open_session()  # type: ignore[union-attr]
    channel.invoke_shell()
    channel.sendall(b"echo in a shell\nexit 4\n")
    assert channel.makefile("rb").read() == b"in a shell\n"
    assert channel.recv_exit_status() == 4


def test_a_terminal_has_its_size_and_ends_with_its_shell(client: paramiko.SSHClient) -> None:
    channel = client.get_transport().open_session()  # type: ignore[union-attr]
    channel.get_pty("vt100", 101, 37)
    channel.exec_command("tty; stty size; echo $TERM; sleep 60 & exit 2")
    lines = channel.makefile("rb").read().decode().split()
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:] == ["37", "101", "vt100"]
    assert channel.recv_exit_status() == 2


def test_a_terminal_hangs_up_when_its_client_goes(up: SandboxState, run: Run) -> None:
    with login.connect(up) as client:
        channel = client.get_transport().open_session()  # type: ignore[union-attr]
        channel.get_pty()
        channel.exec_command("echo $$; exec sleep 60")
        pid = int(channel.recv(100))
    for _ in range(100):
        if run(f"kill -0 {pid}")[0] != 0:
            return
        time.sleep(0.05)
    raise AssertionError("the shell outlived its terminal")


def test_a_session_knows_its_box_and_nothing_of_its_host(up: SandboxState, run: Run) -> None:
    folder = Path(up.identity).parent
    values = dict(line.split("=", 1) for line in run("env -u PWD -u _ -u SHLVL env")[1].decode().splitlines())
    assert values == {
        "HOME": str(folder / "root/home"),
        "TMPDIR": str(folder / "root/tmp"),
        "USER": up.user,
        "LOGNAME": up.user,
        "SHELL": "/bin/sh",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "EDGEPACK_SANDBOX": str(folder),
    }
    assert run("pwd")[1].decode().strip() == values["HOME"]


def test_a_program_that_is_sent_runs(run: Run) -> None:
    program = qemu.probe(HOST)
    assert run("cat > probe && chmod +x probe && ./probe", program)[0] == qemu.PROBE_EXIT


REFUSED = {
    "a forwarded port": lambda t: t.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 2)),
    "a listening port": lambda t: t.request_port_forward("127.0.0.1", 0),
    "sftp": lambda t: t.open_session().invoke_subsystem("sftp"),
}


@pytest.mark.parametrize("ask", REFUSED.values(), ids=REFUSED)
def test_nothing_but_sessions_is_given(client: paramiko.SSHClient, ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(paramiko.SSHException):
        ask(client.get_transport())


WRONG = {
    "key": lambda t, up, other: t.auth_publickey(up.user, other),
    "user": lambda t, up, _: t.auth_publickey("nobody-else", paramiko.Ed25519Key(filename=up.identity)),
    "password": lambda t, up, _: t.auth_password(up.user, ""),
}


@pytest.mark.parametrize("log_in", WRONG.values(), ids=WRONG)
def test_nobody_else_gets_in(up: SandboxState, tmp_path: Path, log_in) -> None:  # type: ignore[no-untyped-def]
    keys.make(tmp_path / "other")
    transport = paramiko.Transport(("127.0.0.1", up.port))
    try:
        transport.start_client(timeout=20)
        with pytest.raises(paramiko.AuthenticationException):
            log_in(transport, up, paramiko.Ed25519Key(filename=str(tmp_path / "other")))
        assert not transport.is_authenticated()
    finally:
        transport.close()
