"""What flows through the program: where its inputs come from, and where its answers go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgepack.manifest.words import InsidePath, Model

ImageFormat = Literal["pnm", "jpeg", "png"]


class Source(Model):
    """Where the program gets its inputs: a folder that it watches."""

    kind: Literal["files"] = Field(
        default="files", description="images, in name order, removed once answered"
    )
    path: InsidePath = Field(default="inbox", description="below the app's data folder on the box")
    formats: Annotated[list[ImageFormat], Field(min_length=1)] = Field(
        default=["pnm"],
        description="what images are read, told apart by their content: pnm (binary PGM, PPM), jpeg, png; "
        "the last two link a library into the program, built once from Debian's sources",
    )
    most_pixels: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        default=25_000_000, description="an image of more is refused: each takes 12 bytes of memory in colour"
    )


class Sink(Model):
    """Where the answers go: one JSON object a line."""

    kind: Literal["jsonl"] = Field(default="jsonl", description="a file of lines, appended to")
    path: InsidePath = Field(default="results.jsonl", description="below the app's data folder on the box")
