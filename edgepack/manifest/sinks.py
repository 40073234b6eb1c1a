"""Where a program's answers go: the manifest's `sink`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from edgepack.manifest.picture_sinks import (
    FieldName,
    PicturesSink,
    RtspSink,
    SamplesSink,
    ScreenSink,
    VideoSink,
)
from edgepack.manifest.sources import BoxFile, ImageFormat, Port, kind_of
from edgepack.manifest.tensors import TensorsSink
from edgepack.manifest.words import InsidePath, Model

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:.]+:[0-9a-fA-F:.]*", re.ASCII)
_MAILBOX = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9.-]{0,180}[A-Za-z0-9])?",
    re.ASCII,
)
_TARGET = re.compile(r"/[!-~]{0,1023}", re.ASCII)


def host_checked(value: str) -> str:
    """A name or an address, as it may stand in a request and a log."""
    if not _HOST.fullmatch(value):
        raise ValueError("this must be a host's name or its address, like broker.local or 192.0.2.7")
    return value


def is_loopback(host: str) -> bool:
    """Whether a host or an address is the box itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def _plain_http(value: str) -> str:
    try:
        url = urlsplit(value)
        host, _port = url.hostname or "", url.port
    except ValueError:
        raise ValueError("this is not a URL, like http://192.0.2.7:8080/answers") from None
    if url.scheme == "https":
        raise ValueError(
            "https is not spoken here: run a TLS proxy beside it (stunnel, nginx, Caddy) and name that, like "
            "http://127.0.0.1:8080/answers"
        )
    if url.scheme != "http" or not _HOST.fullmatch(host) or url.fragment:
        raise ValueError("this must be a URL like http://192.0.2.7:8080/answers")
    if url.username is not None:
        raise ValueError("a name or password in a URL would be in git and in every bundle: use `token_file`")
    if not _TARGET.fullmatch(target_of(value)):
        raise ValueError("a URL's path is of letters, digits and signs, with %20 for a blank")
    return value


def _mailbox(value: str) -> str:
    if not _MAILBOX.fullmatch(value):
        raise ValueError("a mail address is like guard@site.example: ASCII, without a name before it")
    return value


def target_of(url: str) -> str:
    """What a request asks for: path and query."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


Host = Annotated[str, AfterValidator(host_checked)]
Url = Annotated[str, AfterValidator(_plain_http)]
Mailbox = Annotated[str, AfterValidator(_mailbox), Field(max_length=254)]
Seconds = Annotated[float, Field(ge=0.1, le=600)]


class Spool(Model):
    """Answers that wait on the box's disk until the peer has them; they outlive the program."""

    most_mb: Annotated[int, Field(ge=1, le=65_536)] = Field(default=16, description="no more than that waits")
    when_full: Literal["wait", "drop_oldest"] = Field(
        default="wait",
        description="wait: the program stops taking pictures in; drop_oldest: the oldest eighth is lost, "
        "counted and told",
    )


class JsonlSink(Model):
    """A file of lines, one JSON object each, appended to."""

    kind: Literal["jsonl"] = Field(default="jsonl", description="a file of lines")
    path: InsidePath = Field(default="results.jsonl", description="below the app's data folder on the box")


class HttpSink(Model):
    """Lines of JSON, POSTed to a URL as `application/x-ndjson`; each at least once."""

    kind: Literal["http"] = Field(description="lines of JSON, POSTed")
    url: Url = Field(
        description="where to, like http://192.0.2.7:8080/answers. A status of 200 to 299 takes them"
    )
    token_file: BoxFile | None = Field(
        default=None,
        description="a file on the box with a token, sent as `Authorization: Bearer …`: a whole path, or one "
        "below the app's data folder",
    )
    most_lines: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=100, description="answers in one request, at most"
    )
    timeout_s: Seconds = Field(default=15, description="how long one request may take in all")
    spool: Spool = Spool()


def _topic(value: str) -> str:
    wrong = any(c in value for c in "+#\0\n") or not value or len(value.encode()) > 1024
    if wrong or value.startswith("$"):
        raise ValueError(
            "a topic to publish to is like site/door/answers: without + and #, not beginning with $"
        )
    return value


class MqttSink(Model):
    """A message for each answer, MQTT 3.1.1 without TLS."""

    kind: Literal["mqtt"] = Field(description="a message each, MQTT 3.1.1")
    host: Host = Field(description="the broker's name or address")
    port: Port = Field(default=1883, description="the broker's port")
    topic: Annotated[str, AfterValidator(_topic)] = Field(
        description="where to; `{host}` is the box's own name: `site/{host}/answers`"
    )
    qos: Annotated[int, Field(ge=0, le=1)] = Field(
        default=1,
        description="1: the broker confirms each message; 0: it is asked once whether it still listens",
    )
    retain: bool = Field(default=False, description="the broker keeps the last one for who comes later")
    client: Annotated[str, Field(max_length=128)] = Field(
        default="", description="the client's name, with `{host}` as above; left out: a random one"
    )
    user: Annotated[str, Field(max_length=128)] = Field(default="", description="for a broker that asks")
    password_file: BoxFile | None = Field(
        default=None,
        description="a file on the box with the password: a whole path, or one below the app's data folder",
    )
    keepalive_s: Annotated[int, Field(ge=2, le=3600)] = Field(
        default=30, description="the broker gives the box up after one and a half times as long"
    )
    timeout_s: Seconds = Field(default=15, description="how long an answer of the broker's may take")
    spool: Spool = Spool()

    @model_validator(mode="after")
    def _named(self) -> MqttSink:
        if self.password_file and not self.user:
            raise ValueError("`password_file` goes with `user`: MQTT has no password without a name")
        return self


class RedisSink(Model):
    """An entry of a list or a stream, or a message, for each answer."""

    kind: Literal["redis"] = Field(description="RPUSH, XADD or PUBLISH")
    host: Host = Field(description="the server's name or address")
    port: Port = Field(default=6379, description="the server's port")
    command: Literal["rpush", "xadd", "publish"] = Field(
        default="xadd",
        description="xadd: an entry of a stream, in its field `record`; rpush: at the end of a list; "
        "publish: to who listens then, and lost where nobody does",
    )
    key: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description="the stream, the list, or the channel"
    )
    most: Annotated[int, Field(ge=1, le=2_000_000_000)] | None = Field(
        default=None,
        description="entries that it keeps; of a stream some more (`MAXLEN ~`). Left out: all, until the "
        "server is full",
    )
    database: Annotated[int, Field(ge=0, le=1023)] = Field(default=0, description="its number")
    user: Annotated[str, Field(max_length=128)] = Field(
        default="", description="for a server with users; left out: the default one"
    )
    password_file: BoxFile | None = Field(
        default=None,
        description="a file on the box with the password: a whole path, or one below the app's data folder",
    )
    timeout_s: Seconds = Field(default=15, description="how long an answer of the server's may take")
    spool: Spool = Spool()

    @model_validator(mode="after")
    def _sensible(self) -> RedisSink:
        if self.user and not self.password_file:
            raise ValueError("`user` goes with `password_file`")
        if self.command == "publish" and self.most:
            raise ValueError("`most` goes with xadd and rpush: PUBLISH keeps nothing")
        return self


def _subject(value: str) -> str:
    if not value or len(value) > 120 or any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
        raise ValueError("a subject is one line of at most 120 characters")
    if re.search(r"[{}]", re.sub(r"\{[^{}]{1,128}\}", "", value)):
        raise ValueError(
            "in a subject `{host}`, `{file}` or a field of the record stands in braces, like `{class}`"
        )
    return value


class MailSpool(Spool):
    """Mails that wait on the box's disk until the relay has them; they outlive the program."""

    when_full: Literal["wait", "drop_oldest"] = Field(
        default="drop_oldest",
        description="drop_oldest: the oldest eighth is lost, counted and told; wait: the program stops "
        "taking pictures in",
    )


class MailSink(Model):
    """A mail when a field becomes true, through a mail relay of the site's; SMTP without TLS."""

    kind: Literal["mail"] = Field(description="a mail at an alarm, by SMTP without TLS")
    host: Host = Field(description="the relay's name or address, on the site's own network or the box")
    port: Port = Field(default=25, description="the relay's port")
    sender: Mailbox = Field(description="the address that it comes from: `box@site.example`")
    to: Annotated[list[Mailbox], Field(min_length=1, max_length=20)] = Field(description="who gets it")
    alarm: FieldName = Field(
        description="a truth value of the record, as the rule `alarm` sets one: a mail when it becomes true"
    )
    subject: Annotated[str, AfterValidator(_subject)] = Field(
        default="{host}: alarm", description="`{host}` is the box's own name, `{class}` a field of the record"
    )
    picture: ImageFormat | None = Field(
        default=None,
        description="the picture with boxes and words goes along in this format; jpeg and png have to be in "
        "`source.formats` too. Left out: none",
    )
    show: Annotated[list[FieldName], Field(max_length=20)] = Field(
        default=[], description="fields of the record that are written into the picture"
    )
    every_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=60,
        description="no more than one mail in so many seconds; alarms in between are counted, and told by a "
        "mail after that",
    )
    user: Annotated[str, Field(max_length=128)] = Field(default="", description="for a relay that asks")
    password_file: BoxFile | None = Field(
        default=None,
        description="a file on the box with the password: a whole path, or one below the app's data folder",
    )
    timeout_s: Seconds = Field(default=30, description="how long one mail may take in all")
    spool: MailSpool = MailSpool()

    @model_validator(mode="after")
    def _sensible(self) -> MailSink:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("`user` and `password_file` go together")
        if self.user and not is_loopback(self.host):
            raise ValueError(
                "TLS is not spoken here, and a password would go over the network for all to read: run "
                "stunnel on the box and name `host: 127.0.0.1`, or take a relay that asks for none"
            )
        if self.show and not self.picture:
            raise ValueError("`show` is written into the picture: say `picture: jpeg` too")
        return self


def _sink_kind(value: object) -> str:
    return kind_of(value) or "jsonl"


# Told apart before it is read, so that what is wrong is said of what was meant.
Sink = Annotated[
    Annotated[JsonlSink, Tag("jsonl")]
    | Annotated[HttpSink, Tag("http")]
    | Annotated[TensorsSink, Tag("tensors")]
    | Annotated[MqttSink, Tag("mqtt")]
    | Annotated[RedisSink, Tag("redis")]
    | Annotated[MailSink, Tag("mail")]
    | Annotated[SamplesSink, Tag("samples")]
    | Annotated[PicturesSink, Tag("pictures")]
    | Annotated[VideoSink, Tag("video")]
    | Annotated[RtspSink, Tag("rtsp")]
    | Annotated[ScreenSink, Tag("screen")],
    Discriminator(
        _sink_kind,
        custom_error_type="kind",
        custom_error_message="`kind` of a sink is one of: jsonl, http, tensors, mqtt, redis, mail, samples, "
        "pictures, video, rtsp, screen",
    ),
]


def _one_or_several(value: object) -> str:
    return "several" if isinstance(value, list) else "one"


Sinks = Annotated[
    Annotated[Sink, Tag("one")] | Annotated[list[Sink], Tag("several")],
    Discriminator(_one_or_several),
]
