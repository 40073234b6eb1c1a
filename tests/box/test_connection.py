from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from edgepack.box import connection, link_paramiko, session
from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.box.session import Box
from edgepack.errors import EdgepackError, Exit, InputError
from tests.box import servers


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connection, link_paramiko):
        monkeypatch.setattr(module, "CONNECT_S", 1.0)


def other_key() -> str:
    key = paramiko.ECDSAKey.generate()
    return f"{key.get_name()} {key.get_base64()}"


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (servers.silent, "does not speak SSH as it should"),
        (servers.garbage, "does not speak SSH as it should"),
        (servers.hangs_up, "does not speak SSH as it should"),
        (servers.only_a_banner, "does not"),
    ],
)
def test_what_is_no_ssh_server(serve: Callable[[socket.socket], None], words: str) -> None:
    with servers.listening(serve) as port, pytest.raises(UnreachableError, match=words) as caught:
        Box(Endpoint("box-07", "127.0.0.1", port=port, user="pi"))
    assert caught.value.exit_code == Exit.UNREACHABLE
    assert caught.value.where == f"box-07 (pi@127.0.0.1:{port})"
    assert "port:" in caught.value.fix


def test_nobody_listens(closed_port: int) -> None:
    with pytest.raises(UnreachableError, match="does not take the connection") as caught:
        Box(Endpoint("box-07", "127.0.0.1", port=closed_port))
    assert caught.value.why == "Connection refused"


def test_a_name_nobody_knows() -> None:
    with pytest.raises(UnreachableError, match=r"name box-07\.invalid is not known"):
        Box(Endpoint("box-07", "box-07.invalid"))


def test_a_key_the_box_does_not_take(endpoint: Endpoint, tmp_path: Path) -> None:
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "mine"))
    with pytest.raises(UnreachableError, match="does not let") as caught:
        Box(dataclasses.replace(endpoint, identity=tmp_path / "mine"))
    assert str(tmp_path / "mine") in caught.value.why


def test_a_key_with_a_passphrase_is_not_asked_for(endpoint: Endpoint, tmp_path: Path) -> None:
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "mine"), password="secret")
    with pytest.raises(UnreachableError, match="does not let") as caught:
        Box(dataclasses.replace(endpoint, identity=tmp_path / "mine"))
    assert "ssh-add" in caught.value.fix


@pytest.mark.parametrize("content", [None, "not a key\n"])
def test_an_identity_that_is_none(endpoint: Endpoint, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "mine").write_text(content)
    with pytest.raises(InputError, match="private key"):
        Box(dataclasses.replace(endpoint, identity=tmp_path / "mine"))


def test_an_unknown_host_key_shows_its_fingerprint_and_the_line_to_add(endpoint: Endpoint) -> None:
    with pytest.raises(HostKeyError, match="nobody has vouched") as caught:
        Box(dataclasses.replace(endpoint, host_key=None))
    assert caught.value.exit_code == Exit.HOST_KEY
    assert "SHA256:" in caught.value.why
    assert f"host_key: {endpoint.host_key}" in caught.value.fix
    assert f"[127.0.0.1]:{endpoint.port} {endpoint.host_key}" in caught.value.fix


def test_a_changed_host_key_is_another_error(endpoint: Endpoint, no_user_settings: Path) -> None:
    with pytest.raises(HostKeyError, match="CHANGED") as pinned:
        Box(dataclasses.replace(endpoint, host_key=other_key()))
    assert "fleet.yaml" in pinned.value.fix
    known_hosts(no_user_settings, endpoint, other_key())
    with pytest.raises(HostKeyError, match="CHANGED") as known:
        Box(dataclasses.replace(endpoint, host_key=None))
    assert f"ssh-keygen -R '[127.0.0.1]:{endpoint.port}'" in known.value.fix


@pytest.mark.parametrize("pin", ["", "ssh-ed25519", "ssh-ed25519 %%%", "ssh-ed25519 AAAA", "rot13 AAAA"])
def test_a_pin_that_is_no_key(endpoint: Endpoint, pin: str) -> None:
    with pytest.raises(HostKeyError, match="not a public key"):
        Box(dataclasses.replace(endpoint, host_key=pin))


def known_hosts(home: Path, endpoint: Endpoint, key: str, *, hashed: bool = False, mark: str = "") -> None:
    name = f"[127.0.0.1]:{endpoint.port}"
    if hashed:
        name = paramiko.HostKeys.hash_host(name)
    with (home / ".ssh" / "known_hosts").open("a") as file:
        file.write(f"{mark}{name} {key}\n")


@pytest.mark.parametrize("hashed", [False, True])
def test_the_users_known_hosts_vouch(endpoint: Endpoint, no_user_settings: Path, hashed: bool) -> None:
    assert endpoint.host_key is not None
    (no_user_settings / ".ssh" / "known_hosts").write_text("# a comment\nhalf a line\n\n")
    known_hosts(no_user_settings, endpoint, endpoint.host_key, hashed=hashed)
    with Box(dataclasses.replace(endpoint, host_key=None)) as box:
        assert box.exec("echo hi").stdout == b"hi\n"


def test_a_revoked_key_is_refused(endpoint: Endpoint, no_user_settings: Path) -> None:
    assert endpoint.host_key is not None
    known_hosts(no_user_settings, endpoint, endpoint.host_key)
    known_hosts(no_user_settings, endpoint, endpoint.host_key, mark="@revoked ")
    with pytest.raises(HostKeyError, match="revoked"):
        Box(dataclasses.replace(endpoint, host_key=None))


def test_the_users_ssh_configuration_counts(endpoint: Endpoint, no_user_settings: Path) -> None:
    ssh = no_user_settings / ".ssh"
    (ssh / "vouched").write_text(f"the-box {endpoint.host_key}\n")
    (ssh / "config").write_text(
        f"Host shop\n  HostName 127.0.0.1\n  Port {endpoint.port}\n  User {endpoint.user}\n"
        f"  IdentityFile {endpoint.identity}\n  HostKeyAlias the-box\n  UserKnownHostsFile {ssh}/vouched\n"
        "Host *\n  StrictHostKeyChecking no\n"
    )
    with Box(Endpoint("box-07", "shop")) as box:
        assert box.exec("echo hi").stdout == b"hi\n"
    (ssh / "vouched").write_text("")
    with pytest.raises(HostKeyError, match="nobody has vouched"):
        Box(Endpoint("box-07", "shop"))


def test_an_ssh_configuration_that_cannot_be_read(endpoint: Endpoint, no_user_settings: Path) -> None:
    (no_user_settings / ".ssh" / "config").write_text('Host "\n')
    with pytest.raises(InputError, match="SSH configuration"):
        Box(endpoint)


@pytest.mark.parametrize(
    ("command", "silence_s", "words"),
    [
        ("sleep 30", 0.5, "silent"),
        ("yes", 5.0, "more than"),
    ],
)
def test_a_command_that_does_not_behave(
    endpoint: Endpoint, command: str, silence_s: float, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAX_OUTPUT", 1 << 20)
    with Box(endpoint) as box, pytest.raises(UnreachableError) as caught:
        box.exec(command, silence_s=silence_s)
    assert words in caught.value.why


def test_a_link_that_is_cut_or_goes_dead(endpoint: Endpoint) -> None:
    assert endpoint.port is not None
    link = servers.Link(endpoint.port)
    with servers.listening(link.serve) as port:
        with Box(dataclasses.replace(endpoint, port=port)) as box:
            lines = box.stream("answers", "digits", "t", "inbox", "results.jsonl", "0", "30")
            assert next(lines)
            link.cut()
            with pytest.raises(UnreachableError, match="broke"):
                list(lines)
            assert not box.alive
        frozen = servers.Link(endpoint.port)
    with servers.listening(frozen.serve) as port, Box(dataclasses.replace(endpoint, port=port)) as box:
        frozen.frozen.set()
        with pytest.raises(UnreachableError, match="broke"):
            box.exec("true", silence_s=0.5)


@pytest.mark.parametrize("root", ["../up", "a\nb", "~/x", "", "a/../b", "a/..", ".", "/", "a//b", "a/", "-x"])
def test_a_root_that_is_no_plain_folder(endpoint: Endpoint, root: str) -> None:
    with (
        Box(dataclasses.replace(endpoint, root=root)) as box,
        pytest.raises(ValueError, match="plain folder"),
    ):
        box.call("probe", "digits")


def test_a_login_that_runs_no_shell(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forced command or a nologin shell says something, whatever it is told to run."""
    monkeypatch.setattr(session.script, "stored", lambda *_: "echo This account is not available")
    monkeypatch.setattr(session.script, "piped", lambda *_: "echo This account is not available")
    with Box(endpoint) as box, pytest.raises(UnreachableError, match="does not run commands"):
        box.call("probe", "digits")


def test_words_of_a_login_script_do_not_disturb(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    piped = session.script.piped
    monkeypatch.setattr(session.script, "piped", lambda *a: "echo Welcome to your box; " + piped(*a))
    with Box(endpoint) as box:
        assert any(line.startswith("arch ") for line in box.call("probe", "digits"))


def test_errors_can_be_shown_and_passed_on(endpoint: Endpoint) -> None:
    with pytest.raises(EdgepackError) as caught:
        Box(dataclasses.replace(endpoint, host_key=None))
    assert caught.value.as_dict()["exit_code"] == Exit.HOST_KEY
