"""How a program's source and sinks are held together: its queue, its watchdog, what it tells of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edgepack.manifest.sources import STREAMS, Address, Port
from edgepack.manifest.words import Model

if TYPE_CHECKING:
    from edgepack.manifest.project import Manifest, Place


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

    port: Port = Field(description="where it listens")
    address: Address = Field(
        default="127.0.0.1",
        description="in numbers; `0.0.0.0` or `::` for all of the box's. It asks nobody who they are",
    )


def wrong_source(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    """What of a source does not go with the rest."""
    if isinstance(manifest.source, STREAMS):
        for name in manifest.source.decoders:
            if name not in manifest.targets:
                words = f"source.decoders names {name}, which is not among `targets`"
                yield ("source", "decoders", name), words
