"""A mail as the program writes it, read by Python's own parser: whatever a record says, it stays text."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.compile.program_driver import Driver, compiled

pytestmark = pytest.mark.slow

HEADERS = ["Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
PLAIN = "Content-Transfer-Encoding"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(compiled(tmp_path_factory.mktemp("mail"), Path(__file__).with_name("mail_driver.cpp")))
    yield made
    made.close()


def written(driver: Driver, pattern: str, file: str, field: str, picture: bytes = b"") -> str:
    words = [word.encode() for word in (pattern, file, field)]
    mail = driver.ask(*("x" + word.hex() for word in (*words, picture)))
    assert isinstance(mail, str)
    return mail


def parsed(mail: str) -> EmailMessage:
    """As a program that reads mail takes it, with nothing to complain of."""
    found = email.message_from_string(mail.replace("\r\n", "\n"), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    for part in found.walk():
        assert part.defects == []
        for value in part.values():
            assert value.defects == ()
    return found


def subject(text: str) -> str:
    """What becomes of it: one line, of at most 150 bytes."""
    line = re.sub(r"[\x00-\x1f\x7f]", " ", text).encode()[:150]
    return line.decode(errors="ignore")


def as_a_header(text: str) -> str:
    """As a parser gives it: blanks at the ends belong to nobody."""
    return text.strip()


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT)
@example("a\r\nBcc: x@y.example\r\n\r\nhello", "\r\n.\r\nMAIL FROM:<x@y.example>")
@example("=?utf-8?q?=0ABcc=3A_x?=", "--=_0123--\n=_0123")
@example("\u0007" * 40, " \n. \n..\n\t")
@example("\u4e2d\u6587" * 40, "\u2028\u0085\u000b\u000c\u001c")
def test_whatever_is_in_a_record_stays_text(driver: Driver, file: str, field: str) -> None:
    mail = written(driver, "{file}/{field}", file, field, b"P5")
    lines = mail.split("\r\n")
    assert all("\r" not in line and "\n" not in line and line.isascii() for line in lines)
    assert max(map(len, lines)) <= 78
    found = parsed(mail)
    assert found.keys() == HEADERS
    assert as_a_header(found["Subject"]) == as_a_header(subject(f"{file}/{field}"))
    text, picture = found.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(picture, EmailMessage)
    payload = text.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode() == field
    assert picture.get_content() == b"P5"


@pytest.mark.parametrize("picture", [b"", b"x", bytes(range(256)) * 9, b"\r\n.\r\n" * 40, b"=" * 57], ids=len)
def test_a_picture_goes_along_to_the_byte(driver: Driver, picture: bytes) -> None:
    found = parsed(written(driver, "{host}: {number} of {none}", "f", "two\nlines", picture))
    assert found["Subject"] == "box-07: 7 of -"
    assert found["Date"] == "Sat, 21 Nov 2026 22:30:00 +0000"
    assert found["To"] == "a@site.example, b@site.example"
    assert found["Message-ID"] == "<0123@box-07>"
    if not picture:
        assert found.keys() == [*HEADERS, PLAIN]
        assert found.get_content() == "two\nlines\n"
        return
    (attached,) = found.iter_attachments()
    assert isinstance(attached, EmailMessage)
    assert attached.get_filename() == "picture.ppm"
    assert attached.get_content_type() == "image/x-portable-anymap"
    assert attached.get_content() == picture
