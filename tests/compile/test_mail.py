"""A mail at an alarm: through a relay that is strict, slow, rude, asks for a password, or says no."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.relay import Relay
from tests.compile.talking import built, free_port, posted, rude
from tests.compile.test_program_run import Box
from tests.compile.test_talking import RUDE, listens

pytestmark = pytest.mark.slow

PASSWORD = "not-for-the-log"
LOGIN = f"box {PASSWORD}"
# A relay speaks first.
RUDE_RELAYS = RUDE | {
    "junk": (lambda connection: connection.sendall(bytes(range(0x80, 0xC0)) + b"\n"), "not a mail server"),
    "endless": (lambda connection: connection.sendall(b"2" * 300_000), "a line without an end"),
    "chatters": (lambda connection: connection.sendall(b"220-x\r\n" * 5000), "more than 100 lines"),
}
TO = ["guard@site.example", "night@site.example"]


@dataclass
class Ports:
    source: int
    often: int
    seldom: int


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports(free_port(), free_port(), free_port())


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> Tiny:
    mail: dict[str, Any] = {"kind": "mail", "host": "127.0.0.1", "sender": "box@site.example", "to": TO}
    mail |= {"alarm": "sure", "timeout_s": 3}
    login = {"user": "box", "password_file": "password"}
    return built(
        tmp_path_factory.mktemp("mailing"),
        source={"kind": "http", "port": ports.source},
        sink=[
            {**mail, "port": ports.often, "subject": "{name} in {file}", "picture": "pnm", "every_s": 0.01},
            {**mail, **login, "port": ports.seldom, "every_s": 1.5},
        ],
    )


@pytest.fixture
def box(mailing: Tiny, ports: Ports, tmp_path: Path) -> Iterator[Box]:
    made = Box(mailing, tmp_path / "data")
    made.data.mkdir()
    (made.data / "password").write_text(PASSWORD + "\n")
    made.start()
    made.until(lambda: listens(ports.source), "a listener")
    yield made
    assert made.process is not None
    made.process.kill()
    made.process.wait()


def drawn() -> tuple[bytes, bytes]:
    """One that the model is sure of, and one that it is not. The first pixel says how long `pre` works."""
    gray = np.random.default_rng(4).integers(0, 256, (60, 6, 5, 1), dtype=np.uint8)
    gray[:, 0, 0] = 0
    images = np.repeat(gray, 3, axis=3)
    sure = tiny.computed(images, tiny.weights())["record.confidence"]
    loud, quiet = images[sure.argmax()], images[sure.argmin()]
    assert sure.max() > 0.6
    assert sure.min() < 0.48
    return tiny.ppm(loud), tiny.ppm(quiet)


@pytest.fixture(scope="module")
def pictures() -> tuple[bytes, bytes]:
    return drawn()


@pytest.fixture
def rises(box: Box, ports: Ports, pictures: tuple[bytes, bytes]) -> Callable[..., None]:
    """An alarm that rises, and ends."""

    def rise(name: str = "door") -> None:
        for picture, sure in zip(pictures, (True, False), strict=True):
            status, said, _ = posted(ports.source, picture, {"X-Name": name})
            assert (status, said["sure"]) == (200, sure)

    return rise


def sink(box: Box, place: int) -> dict[str, Any]:
    rows = box.status().get("sinks", [])
    return rows[place] if rows else {}


def told(box: Box) -> str:
    return (box.data / "log").read_text() + (box.data / "status.json").read_text()


def test_an_alarm_is_a_mail_with_its_picture(
    box: Box, ports: Ports, rises: Callable[..., None], pictures: tuple[bytes, bytes]
) -> None:
    relay = Relay()
    with rude(ports.often, relay):
        rises("gate 3")
        box.until(lambda: relay.mails, "a mail")
        box.until(lambda: sink(box, 0).get("sent") == 1, "that it is known")
    (mail,) = relay.different
    assert (mail.sender, mail.to, relay.wrong) == ("box@site.example", TO, [])
    message = mail.message
    assert message["Subject"] == 'n\u00e4me "quoted" in gate 3'
    assert message["Auto-Submitted"] == "auto-generated"
    lines = mail.text.splitlines()
    assert 'file: "gate 3"' in lines
    assert "sure: true" in lines
    assert len(json.loads(next(line for line in lines if line.startswith("chances: "))[9:])) == 3
    (attached,) = message.iter_attachments()
    assert attached.get_content() == pictures[0]
    assert (sink(box, 0)["waiting"], sink(box, 0).get("lost")) == (0, None)


def test_a_line_that_begins_with_a_dot_arrives_as_it_was(
    box: Box, ports: Ports, rises: Callable[..., None]
) -> None:
    relay = Relay()
    with rude(ports.often, relay):
        rises("." * 120)
        box.until(lambda: relay.mails, "a mail")
    assert b"\r\n...." in relay.mails[0].raw
    assert f'file: "{"." * 120}"' in relay.mails[0].text.splitlines()
    assert relay.wrong == []


@pytest.mark.parametrize(
    ("begins", "reply", "words"),
    [
        ("MAIL", "451 4.3.0 Try again", "451 4.3.0 Try again"),
        ("RCPT", "450 4.2.0 Greylisted", "guard@site.example: it answers 450"),
        ("DATA", "554 5.5.1 No", "it answers 554 5.5.1 No"),
        (".", "452 4.3.1 Full", "it answers 452"),
        (".", "cut", "closed the connection|Connection reset"),
        ("EHLO", "250-x\r\n250-y\r\n550 z", "not a mail server: it says 550 z"),
        ("MAIL", "2500 Ok", "not a mail server"),
        ("MAIL", "\u00e9\u00e9\u00e9", "not a mail server"),
    ],
)
def test_what_a_relay_does_not_take_now_waits_and_is_the_same_mail(
    box: Box, ports: Ports, rises: Callable[..., None], begins: str, reply: str, words: str
) -> None:
    relay = Relay(instead=[(begins, reply)])
    with rude(ports.often, relay):
        rises()
        box.until(lambda: relay.mails, "a mail")
        box.until(lambda: sink(box, 0).get("waiting") == 0, "none that waits")
    assert re.search(words, (box.data / "log").read_text())
    assert relay.wrong == []
    assert len({mail.message["Message-ID"] for mail in relay.mails}) == 1


def test_a_relay_that_knows_no_ehlo_is_greeted_as_of_old(
    box: Box, ports: Ports, rises: Callable[..., None]
) -> None:
    relay = Relay(instead=[("EHLO", "502 5.5.2 What?")])
    with rude(ports.often, relay):
        rises()
        box.until(lambda: relay.mails, "a mail")
    assert relay.wrong == []


def test_one_who_is_not_known_keeps_nobody_from_his_mail(
    box: Box, ports: Ports, rises: Callable[..., None]
) -> None:
    relay = Relay(instead=[("RCPT", "550 5.1.1 Nobody here")])
    with rude(ports.often, relay):
        rises()
        box.until(lambda: relay.mails, "a mail")
    assert relay.mails[0].to == TO[1:]
    assert "guard@site.example: it answers 550 5.1.1 Nobody here" in (box.data / "log").read_text()


def test_a_mail_that_is_refused_for_good_is_given_up_and_counted(
    box: Box, ports: Ports, rises: Callable[..., None]
) -> None:
    relay = Relay(instead=[(".", "552 5.3.4 Too large")])
    with rude(ports.often, relay):
        rises("first")
        box.until(lambda: sink(box, 0).get("lost") == 1, "that it is counted")
        rises("second")
        box.until(lambda: relay.mails, "the next one")
    assert "given up, the relay answers 552 5.3.4 Too large" in (box.data / "log").read_text()
    assert 'file: "second"' in relay.mails[0].text
    box.until(lambda: sink(box, 0).get("sent") == 1, "one that was sent")


@pytest.mark.parametrize("deed", RUDE_RELAYS)
def test_a_relay_that_is_rude_is_told_and_nothing_is_lost(
    box: Box, ports: Ports, rises: Callable[..., None], deed: str
) -> None:
    does, words = RUDE_RELAYS[deed]
    with rude(ports.often, does):
        rises()
        box.until(lambda: re.search(words, sink(box, 0).get("trouble", "")), words)
        assert sink(box, 0)["waiting"] == 1
    relay = Relay()
    with rude(ports.often, relay):
        box.until(lambda: relay.mails, "a mail")
    assert box.stop() == 0


@pytest.mark.parametrize("ways", ["PLAIN LOGIN", "login", "XOAUTH2 PLAIN"])
def test_it_logs_in(box: Box, ports: Ports, rises: Callable[..., None], ways: str) -> None:
    relay = Relay(LOGIN, ways)
    with rude(ports.seldom, relay):
        rises()
        box.until(lambda: relay.mails, "a mail")
    assert relay.logins == ["PLAIN" if "PLAIN" in ways else "LOGIN"]
    assert relay.wrong == []
    assert PASSWORD not in told(box)


@pytest.mark.parametrize(
    ("relay", "words"),
    [
        (Relay("box another"), "it refuses the login with 535"),
        (Relay(LOGIN, "CRAM-MD5"), "it offers no login by PLAIN or LOGIN"),
        (Relay(), "it offers no login by PLAIN or LOGIN"),
        (Relay(LOGIN, instead=[("EHLO", "502 No")] * 9), "it answers 502 No"),
    ],
    ids=["another password", "another way", "no way", "no way to ask"],
)
def test_a_login_that_fails_is_told_without_the_password(
    box: Box, ports: Ports, rises: Callable[..., None], relay: Relay, words: str
) -> None:
    with rude(ports.seldom, relay):
        rises()
        box.until(lambda: words in sink(box, 1).get("trouble", ""), words)
    assert sink(box, 1)["waiting"] == 1
    assert relay.mails == []
    assert PASSWORD not in told(box)


def alarms_of(text: str) -> int:
    """How many alarms a mail speaks of."""
    more = re.search(r"More alarms since the mail before this one: (\d+)", text)
    return (int(more[1]) if more else 0) + (0 if "In this picture it is over." in text else 1)


def test_of_many_alarms_there_are_few_mails_and_every_alarm_is_told(
    box: Box, ports: Ports, rises: Callable[..., None], pictures: tuple[bytes, bytes]
) -> None:
    relay = Relay(LOGIN)
    with rude(ports.seldom, relay):
        began = time.monotonic()
        for _ in range(12):
            rises()

        def all_told() -> bool:
            assert posted(ports.source, pictures[1])[0] == 200
            return sum(alarms_of(mail.text) for mail in relay.different) >= 12

        box.until(all_told, "each of them")
        took = time.monotonic() - began
    assert sum(alarms_of(mail.text) for mail in relay.different) == 12
    assert 2 <= len(relay.different) <= 1 + took / 1.5


def test_mails_that_wait_outlive_a_kill_and_keep_their_order(
    box: Box, ports: Ports, rises: Callable[..., None]
) -> None:
    for name in ("a", "b", "c"):
        rises(name)
        time.sleep(0.02)  # no more than one mail in 10 ms
    assert box.process is not None
    box.process.kill()
    box.process.wait()
    relay = Relay()
    with rude(ports.often, relay):
        box.start()
        box.until(lambda: len(relay.different) == 3, "all of them")
    assert [mail.message["Subject"].rpartition(" ")[2] for mail in relay.different] == ["a", "b", "c"]
