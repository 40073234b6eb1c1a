"""What flows through the program: where its inputs come from, where its answers go, and at what pace."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from edgepack.manifest.words import Entry, InsidePath, Model

ImageFormat = Literal["pnm", "jpeg", "png"]


class Source(Model):
    """Where the program gets its inputs: a folder that it watches, or your own code."""

    kind: Literal["files", "code"] = Field(
        default="files",
        description="files: images in a folder, in name order, removed once answered; code: a source of your "
        "own, as a camera's SDK needs one",
    )
    path: InsidePath = Field(default="inbox", description="of `files`: below the app's data folder")
    code: InsidePath | None = Field(default=None, description="of `code`: your C++ file")
    entry: Entry | None = Field(default=None, description="of `code`: the function that makes the source")
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

    @model_validator(mode="after")
    def _whole(self) -> Source:
        own = self.kind == "code"
        if own != (self.code is not None) or own != (self.entry is not None):
            raise ValueError(
                "`kind: code` needs `code` and `entry`" if own else "`code` and `entry` go with `kind: code`"
            )
        return self


class Sink(Model):
    """Where the answers go: one JSON object a line."""

    kind: Literal["jsonl"] = Field(default="jsonl", description="a file of lines, appended to")
    path: InsidePath = Field(default="results.jsonl", description="below the app's data folder on the box")


def _one_or_several(value: object) -> str:
    return "several" if isinstance(value, list) else "one"


# Told apart before it is read, so that what is wrong is said of what was meant.
Sinks = Annotated[
    Annotated[Sink, Tag("one")] | Annotated[list[Sink], Field(min_length=1), Tag("several")],
    Discriminator(_one_or_several),
]


class Queue(Model):
    """Between the source and the rest of the program."""

    depth: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="pictures that wait at most; each is in memory"
    )
    when_full: Literal["wait", "drop_oldest"] = Field(
        default="wait",
        description="wait: the source is held back; drop_oldest: the newest picture counts, as of a camera",
    )


class Watchdog(Model):
    """Ends a program that has come to a halt, so that it is started again."""

    seconds: Annotated[float, Field(ge=0.5, le=86_400)] = Field(
        default=120,
        description="a stage that is at one picture for longer ends the program with 14; one that `pre`, "
        "the model or `post` could not get past goes to .rejected",
    )


class Metrics(Model):
    """Metrics in Prometheus' text format at `/metrics`, and `/healthz`, over HTTP."""

    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="where it listens")
    address: str = Field(
        default="127.0.0.1",
        description="in numbers; `0.0.0.0` or `::` for all of the box's. It asks nobody who they are",
    )

    @field_validator("address")
    @classmethod
    def _numeric(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError("an address in numbers, like 127.0.0.1, 0.0.0.0 or ::1") from None
