"""Where a program's pictures come from: the manifest's `source`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from edgepack.manifest.words import Entry, InsidePath, Model

ImageFormat = Literal["pnm", "jpeg", "png"]


def _numeric(value: str) -> str:
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("an address in numbers, like 127.0.0.1, 0.0.0.0 or ::1") from None
    if getattr(found, "scope_id", None):
        raise ValueError("an address without a zone, like ::1")
    return str(found)


Address = Annotated[str, AfterValidator(_numeric)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Pictures(Model):
    """What every source has."""

    formats: Annotated[list[ImageFormat], Field(min_length=1)] = Field(
        default=["pnm"],
        description="what images are read, told apart by their content: pnm (binary PGM, PPM), jpeg, png; "
        "the last two link a library into the program, built once from Debian's sources",
    )
    most_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        default=25_000_000, description="an image of more is refused: each takes 12 bytes of memory in colour"
    )
    fps: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None, description="images a second, at most; left out: as many as there are"
    )


class FilesSource(_Pictures):
    """Images in a folder that the program watches, in name order, removed once answered."""

    kind: Literal["files"] = Field(default="files", description="images in a folder")
    path: InsidePath = Field(default="inbox", description="the folder, below the app's data folder")


class CodeSource(_Pictures):
    """A source of your own, as a camera's SDK needs one."""

    kind: Literal["code"] = Field(description="your own C++")
    code: InsidePath = Field(description="your C++ file")
    entry: Entry = Field(description="the function that makes the source")


class HttpSource(_Pictures):
    """Images that others POST; who asks gets the record as JSON."""

    kind: Literal["http"] = Field(description="images by `POST /`, and the answer back")
    port: Port = Field(description="where it listens")
    address: Address = Field(
        default="127.0.0.1",
        description="in numbers; `0.0.0.0` or `::` for all of the box's. It has no TLS and asks nobody who "
        "they are",
    )
    most_mb: Annotated[int, Field(ge=1, le=256)] = Field(
        default=16, description="the largest body; a larger one is answered 413"
    )
    waiting: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=8,
        description="images that wait to be taken in; one more is answered 503, with `Retry-After`. Their "
        "bodies are in memory: four times `most_mb` at most, of all together",
    )


def kind_of(value: Any) -> str:
    """The `kind` of a mapping, where left out the first one there is."""
    kind = value.get("kind", "") if isinstance(value, dict) else getattr(value, "kind", "")
    return kind if isinstance(kind, str) else "?"


def _source_kind(value: object) -> str:
    return kind_of(value) or "files"


# Told apart before it is read, so that what is wrong is said of what was meant.
Source = Annotated[
    Annotated[FilesSource, Tag("files")]
    | Annotated[CodeSource, Tag("code")]
    | Annotated[HttpSource, Tag("http")],
    Discriminator(
        _source_kind,
        custom_error_type="kind",
        custom_error_message="`kind` of a source is one of: files, code, http",
    ),
]
