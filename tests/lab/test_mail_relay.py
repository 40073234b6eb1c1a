"""A mail at an alarm into Debian's msmtpd: with a password and without, and while it is away."""

from __future__ import annotations

import email
import email.policy
import socket
import subprocess
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.compile.conftest import Tiny
from tests.compile.talking import built, free_port, posted
from tests.compile.test_mail import TO, drawn
from tests.compile.test_program_run import Box

PASSWORD = "not for the log"
TAKE = """\
#!/bin/sh
here=${0%/*}
echo "$*" >"$here/$$.to"
cat >"$here/$$.part" && mv "$here/$$.part" "$here/$$.eml"
"""


class Relay:
    """msmtpd, and the folder that its mails come into."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir()
        self.folder, self.port = folder, free_port()
        (folder / "take").write_text(TAKE)
        (folder / "take").chmod(0o755)
        self._argv = ["msmtpd", f"--port={self.port}", f"--command={folder / 'take'} %F --", *words]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "msmtpd does not listen"
                time.sleep(0.05)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def mails(self) -> list[EmailMessage]:
        found = []
        for file in sorted(self.folder.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            assert file.with_suffix(".to").read_text().split() == ["box@site.example", "--", *TO]
            found.append(mail)
        return found


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Relay, Relay]]:
    folder = tmp_path_factory.mktemp("relays")
    made = Relay(folder / "open"), Relay(folder / "closed", f"--auth=box,echo '{PASSWORD}'")
    yield made
    for relay in made:
        relay.end()


@pytest.fixture(scope="module")
def mailing(relays: tuple[Relay, Relay], tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, int]:
    source = free_port()
    mail = {"kind": "mail", "host": "127.0.0.1", "sender": "box@site.example", "to": TO, "alarm": "sure"}
    mail |= {"subject": "{name} in {file}", "picture": "pnm", "every_s": 0}
    login = {"user": "box", "password_file": "password"}
    program = built(
        tmp_path_factory.mktemp("mailing"),
        source={"kind": "http", "port": source},
        sink=[{**mail, "port": relays[0].port}, {**mail, **login, "port": relays[1].port}],
    )
    return program, source


def test_mails_come_through_a_real_relay(
    mailing: tuple[Tiny, int], relays: tuple[Relay, Relay], tmp_path: Path
) -> None:
    program, source = mailing
    box = Box(program, tmp_path / "data")
    box.data.mkdir()
    (box.data / "password").write_text(PASSWORD + "\n")
    loud, quiet = drawn()
    box.start()
    try:
        box.until(box.runs, "a status")
        for name in ("gate 1", "." * 120):  # nobody listens yet
            for picture in (loud, quiet):
                assert posted(source, picture, {"X-Name": name})[0] == 200
        box.until(lambda: "Connection refused" in (box.data / "log").read_text(), "the trouble")
        for relay in relays:
            relay.start()
        for relay in relays:
            box.until(lambda of=relay: len(of.mails()) == 2, "both mails")
            for mail, name in zip(relay.mails(), ("gate 1", "." * 120), strict=True):
                assert mail["Subject"] == f'n\u00e4me "quoted" in {name}'
                body = mail.get_body(("plain",))
                assert body is not None
                assert f'file: "{name}"' in body.get_content().splitlines()
                (attached,) = mail.iter_attachments()
                assert attached.get_content() == loud
        box.until(
            lambda: [row["waiting"] for row in box.status().get("sinks", [])] == [0, 0], "none that waits"
        )
        assert box.stop() == 0
    finally:
        assert box.process is not None
        box.process.kill()
        box.process.wait()
    assert PASSWORD not in (box.data / "log").read_text() + (box.data / "status.json").read_text()
