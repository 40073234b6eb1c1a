"""Where a program's answers go: the manifest's `sink`."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag

from edgepack.manifest.sources import kind_of
from edgepack.manifest.words import InsidePath, Model

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:.]+:[0-9a-fA-F:.]*", re.ASCII)
_TARGET = re.compile(r"/[!-~]{0,1023}", re.ASCII)
_BOX_FILE = re.compile(r"[A-Za-z0-9 /._+@%=,~-]{1,512}", re.ASCII)


def host_checked(value: str) -> str:
    """A name or an address, as it may stand in a request and a log."""
    if not _HOST.fullmatch(value):
        raise ValueError("this must be a host's name or its address, like broker.local or 192.0.2.7")
    return value


def _box_file(value: str) -> str:
    if not _BOX_FILE.fullmatch(value) or ".." in value.split("/") or value.endswith("/"):
        raise ValueError(
            "a file on the box: a whole path like /etc/reader/token, or one below the app's data folder"
        )
    return value


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


def target_of(url: str) -> str:
    """What a request asks for: path and query."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


Host = Annotated[str, AfterValidator(host_checked)]
BoxFile = Annotated[str, AfterValidator(_box_file)]
Url = Annotated[str, AfterValidator(_plain_http)]


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
    timeout_s: Annotated[float, Field(ge=0.1, le=600)] = Field(
        default=15, description="how long one request may take in all"
    )
    spool: Spool = Spool()


def _sink_kind(value: object) -> str:
    return kind_of(value) or "jsonl"


# Told apart before it is read, so that what is wrong is said of what was meant.
Sink = Annotated[
    Annotated[JsonlSink, Tag("jsonl")] | Annotated[HttpSink, Tag("http")],
    Discriminator(
        _sink_kind, custom_error_type="kind", custom_error_message="`kind` of a sink is one of: jsonl, http"
    ),
]


def _one_or_several(value: object) -> str:
    return "several" if isinstance(value, list) else "one"


Sinks = Annotated[
    Annotated[Sink, Tag("one")] | Annotated[list[Sink], Tag("several")],
    Discriminator(_one_or_several),
]
