"""A mail relay that takes no liberties with RFC 5321: what is not the protocol is noted, and the line cut."""

from __future__ import annotations

import base64
import email
import email.policy
import re
import socket
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import BinaryIO


@dataclass
class Mail:
    """What has arrived. raw: with its dots as they were sent taken off."""

    sender: str
    to: list[str]
    raw: bytes
    at: float

    @property
    def message(self) -> EmailMessage:
        found = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


class Wrong(Exception):
    """The client does what it must not."""


@dataclass
class Relay:
    """One deed of `talking.Rude`. login: `user password` that it asks for, by the ways it offers.

    instead: a command's beginning (`.` stands for a mail's end) → what is answered to it, each once, before
    that is done as ever; a reply of `cut` ends the connection without one.
    """

    login: str = ""
    ways: str = "PLAIN LOGIN"
    instead: list[tuple[str, str]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    @property
    def different(self) -> list[Mail]:
        """Each mail once, also where a late answer of ours had it sent again."""
        return list({str(mail.message["Message-ID"]): mail for mail in reversed(self.mails)}.values())[::-1]

    def __call__(self, connection: socket.socket) -> None:
        file = connection.makefile("rb")
        try:
            self._talk(connection, file)
        except Wrong as error:
            self.wrong.append(str(error))

    def _talk(self, to: socket.socket, file: BinaryIO) -> None:
        to.sendall(b"220-relay.site.example\r\n220 ESMTP, as the RFC has it\r\n")
        state, sender, asked = "connected", "", not self.login
        taken: list[str] = []
        while line := _line(file):
            verb = line.split(" ")[0].upper()
            if self._answers_otherwise(line, to):
                continue
            if verb == "QUIT":
                to.sendall(b"221 Bye\r\n")
                return
            if verb in ("EHLO", "HELO") and re.fullmatch(r"[A-Z]{4} [A-Za-z0-9.-]+", line):
                ways = f"250-AUTH {self.ways}\r\n" if self.login and self.ways else ""
                to.sendall(f"250-relay.site.example\r\n250-SIZE 1000000\r\n{ways}250 HELP\r\n".encode())
                state = "greeted"
            elif verb == "AUTH" and state == "greeted" and not asked:
                asked = self._auth(line, to, file)
            elif (named := re.fullmatch(r"MAIL FROM:<([^ <>]+)>", line)) and state == "greeted" and asked:
                state, sender, taken = "sender", named[1], []
                to.sendall(b"250 2.1.0 Ok\r\n")
            elif (named := re.fullmatch(r"RCPT TO:<([^ <>]+)>", line)) and state == "sender":
                taken.append(named[1])
                to.sendall(b"250 2.1.5 Ok\r\n")
            elif line == "DATA" and state == "sender" and taken:
                to.sendall(b"354 Go on\r\n")
                mail = Mail(sender, taken, _data(file), time.monotonic())
                state = "greeted"
                if not self._answers_otherwise(".", to):
                    self.mails.append(mail)
                    to.sendall(b"250 2.0.0 Ok: queued\r\n")
            elif state == "greeted" and verb == "MAIL" and not asked:
                to.sendall(b"530 5.7.0 Authentication required\r\n")
            else:
                raise Wrong(f"{state}: {line!r}")

    def _answers_otherwise(self, line: str, to: socket.socket) -> bool:
        for place, (begins, reply) in enumerate(self.instead):
            if line.startswith(begins):
                del self.instead[place]
                if reply == "cut":
                    to.shutdown(socket.SHUT_RDWR)
                else:
                    to.sendall(f"{reply}\r\n".encode())
                return True
        return False

    def _auth(self, line: str, to: socket.socket, file: BinaryIO) -> bool:
        words = line.split(" ")
        if words[1] == "PLAIN" and len(words) == 3:
            said = " ".join(_decoded(words[2]).split("\0")[1:])
        elif words[1:] == ["LOGIN"]:
            to.sendall(b"334 VXNlcm5hbWU6\r\n")
            user = _decoded(_line(file))
            to.sendall(b"334 UGFzc3dvcmQ6\r\n")
            said = f"{user} {_decoded(_line(file))}"
        else:
            raise Wrong(line)
        self.logins.append(words[1])
        known = said == self.login
        to.sendall(b"235 2.7.0 Welcome\r\n" if known else f"535 5.7.8 Not {said}, {line}\r\n".encode())
        return known


def _line(file: BinaryIO) -> str:
    line = file.readline(1001)
    if line and (not line.endswith(b"\r\n") or b"\r" in line[:-2] or not line.isascii()):
        raise Wrong(f"no line of SMTP: {line!r}")
    return line[:-2].decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _data(file: BinaryIO) -> bytes:
    """Up to the line with one dot; of each other that begins with one, without it (4.5.2)."""
    lines = []
    while (line := _line(file)) != ".":
        if line.startswith(".") and not line.startswith(".."):
            raise Wrong(f"a dot alone at its begin: {line!r}")
        lines.append(line[1:] if line.startswith(".") else line)
        if len(lines) > 100_000:
            raise Wrong("no end")
    return "".join(f"{line}\r\n" for line in lines).encode()
