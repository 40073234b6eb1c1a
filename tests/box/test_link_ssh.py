"""The host's own ssh carries what paramiko does, with the same errors; its command line is data."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.box import session
from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import HostKeyError, UnreachableError
from edgepack.box.link_ssh import argv
from edgepack.box.session import Box
from edgepack.errors import InputError
from tests.box import servers
from tests.box.boxsh import until

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh on this host")


@pytest.fixture
def by_ssh(endpoint: Endpoint) -> Endpoint:
    return dataclasses.replace(endpoint, transport="ssh")


@pytest.fixture
def box(by_ssh: Endpoint) -> Iterator[Box]:
    with Box(by_ssh) as box:
        yield box


def test_what_is_sent_and_said_comes_whole(box: Box) -> None:
    data = bytes(range(256)) * 8192  # 2 MiB: more than any pipe holds
    done = box.exec("cat; echo beside >&2; exit 7", [data[:1000], data[1000:]])
    assert (done.stdout, done.stderr, done.rc) == (data, b"beside\n", 7)
    assert box.exec("true").rc == 0
    assert box.alive


def test_a_command_that_does_not_read_is_not_waited_for(box: Box) -> None:
    done = box.exec("echo enough; exit 3", (b"x" * 65536 for _ in range(100)))
    assert (done.stdout, done.rc) == (b"enough\n", 3)


def test_the_script_is_called_as_over_the_other(by_ssh: Endpoint, endpoint: Endpoint) -> None:
    with Box(by_ssh) as one, Box(endpoint) as other:
        words = [{line.partition(" ")[0] for line in each.call("probe", "digits")} for each in (one, other)]
    assert words[0] == words[1]


@pytest.mark.parametrize(
    ("command", "silence_s", "words"), [("sleep 30", 0.5, "silent"), ("yes", 5.0, "more than")]
)
def test_a_command_that_does_not_behave(
    box: Box, command: str, silence_s: float, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAX_OUTPUT", 1 << 20)
    with pytest.raises(UnreachableError) as caught:
        box.exec(command, silence_s=silence_s)
    assert words in caught.value.why


def test_a_link_that_is_cut_is_told_and_not_made_anew(by_ssh: Endpoint) -> None:
    assert by_ssh.port is not None
    link = servers.Link(by_ssh.port)
    with (
        servers.listening(link.serve) as port,
        Box(dataclasses.replace(by_ssh, port=port)) as box,
    ):
        lines = box.stream("answers", "digits", "t", "inbox", "results.jsonl", "0", "30")
        assert next(lines)
        link.cut()
        with pytest.raises(UnreachableError, match="broke"):
            list(lines)
        assert until(lambda: not box.alive)
        with pytest.raises(UnreachableError, match="broke"):
            box.exec("true")


def test_nothing_is_left_when_it_is_closed(
    by_ssh: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    made = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **how: folders.append(made(**how)) or folders[-1])
    # Also where temporary files have a long path: a socket's may not be.
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    box = Box(by_ssh)
    (folder,) = folders
    assert Path(folder).is_dir()
    box.close()
    assert not Path(folder).exists()
    assert not box.alive
    began = time.monotonic()
    box.close()
    assert time.monotonic() - began < 5


REFUSED: dict[str, tuple[dict[str, object], type[Exception], str]] = {
    "nobody's key": ({"host_key": None}, HostKeyError, "not one that somebody vouched for"),
    "another key": (
        {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGnLlXwhXzsCTMOyZ0Qmwd9ahN8aiXhf1e6Dfpa7Vq5D"},
        HostKeyError,
        "not the one in fleet.yaml",
    ),
    "no such name": ({"host": "box-07.invalid"}, UnreachableError, "does not get through to box-07.invalid"),
    "no such user": ({"user": "nobody-here"}, UnreachableError, "does not let us in"),
    "no key file": ({"identity": Path("/nowhere/id")}, InputError, "the private key is not there"),
    "a closed port": ({"port": 1}, UnreachableError, "does not get through to 127.0.0.1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_not_let_in_is_told_why(by_ssh: Endpoint, case: str) -> None:
    changes, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words) as caught:
        Box(dataclasses.replace(by_ssh, **changes))  # type: ignore[arg-type]
    assert getattr(caught.value, "why", "")


def test_the_words_that_it_is_started_with() -> None:
    where = Endpoint(
        "box-07", "box.example", 2222, "pi", Path("/k/id"), "ssh-ed25519 AAAA", "ops@gate", transport="ssh"
    )
    words = " ".join(argv(where, Path("/tmp/x")))
    for expected in (
        "-o ControlPath=/tmp/x/c",
        "-o BatchMode=yes",
        "-o StrictHostKeyChecking=yes",
        "-o UserKnownHostsFile=/tmp/x/known_hosts",
        "-i /k/id -o IdentitiesOnly=yes",
        "-p 2222 -l pi -J ops@gate -- box.example",
    ):
        assert expected in words
    plain = argv(Endpoint("box-07", "shop", transport="ssh"), Path("/tmp/x"))
    assert plain[-2:] == ("--", "shop")
    assert not {"-p", "-l", "-J", "-i"} & set(plain)
