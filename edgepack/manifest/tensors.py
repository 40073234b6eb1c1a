"""A model on two nodes: the sink `tensors` of the one, and the source `tensors` of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from edgepack.manifest.sources import Port, TensorsSource
from edgepack.manifest.words import Model

if TYPE_CHECKING:
    from edgepack.manifest.project import Manifest, Place

_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_DRAWN = frozenset({"samples", "pictures", "video", "rtsp", "screen"})  # sinks that show the picture
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:.]+:[0-9a-fA-F:.]*", re.ASCII)


def _model(value: str) -> str:
    if not _MODEL.fullmatch(value):
        raise ValueError("a model's name on a server is of letters, digits, `.`, `_` and `-`")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("this must be a host's name or its address, like server.local or 192.0.2.7")
    return value


class TensorsSink(Model):
    """What the model gives, to a server that computes the rest: Open Inference Protocol (KServe v2), HTTP.

    A picture at a time; while the server is away, or has too much to do, the program waits with it.
    """

    kind: Literal["tensors"] = Field(description="the model's outputs, to another node")
    host: Annotated[str, AfterValidator(_host)] = Field(description="the server's name or address")
    port: Port = Field(description="the server's port")
    model: Annotated[str, AfterValidator(_model)] = Field(
        description="the server's name for the rest of the model; of a program with the source `tensors` its "
        "project's name"
    )
    tensors: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=64)
    ] = Field(
        default=[],
        description="which outputs of the model, by their names in its ONNX file; left out: all of them",
    )
    timeout_s: Annotated[float, Field(ge=0.1, le=600)] = Field(
        default=15,
        description="how long the server may take for one picture; less than `watchdog.seconds`",
    )


def wrong_tensors(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    """What cannot be where a model is on two nodes."""
    if isinstance(manifest.source, TensorsSource):
        if manifest.pre:
            words = "with `source: {kind: tensors}` there is no `pre`: what comes is the model's input, and "
            yield ("pre",), f"{words}`pre` is the other node's"
        shown = [s.kind for s in manifest.sinks if s.kind in _DRAWN or getattr(s, "picture", None)]
        if shown:
            words = f"with `source: {{kind: tensors}}` no picture comes, which the sink {shown[0]} wants"
            yield ("sink",), words
    for index, sink in enumerate(manifest.sinks):
        if isinstance(sink, TensorsSink) and sink.timeout_s >= manifest.watchdog.seconds:
            place: Place = ("sink", index) if isinstance(manifest.sink, list) else ("sink",)
            words = "a sink's timeout_s must be less than watchdog.seconds: waiting would be taken for a halt"
            yield (*place, "timeout_s"), words
