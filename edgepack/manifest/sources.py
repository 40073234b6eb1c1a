"""Where a program's pictures come from: the manifest's `source`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from edgepack.manifest.words import Entry, InsidePath, Model, TargetId

_BOX_FILE = re.compile(r"[A-Za-z0-9 /._+@%=,~-]{1,512}", re.ASCII)
_INPUT = re.compile(r"[ -~]{1,1024}", re.ASCII)

ImageFormat = Literal["pnm", "jpeg", "png"]


def _numeric(value: str) -> str:
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("an address in numbers, like 127.0.0.1, 0.0.0.0 or ::1") from None
    if getattr(found, "scope_id", None):
        raise ValueError("an address without a zone, like ::1")
    return str(found)


def _box_file(value: str) -> str:
    if not _BOX_FILE.fullmatch(value) or ".." in value.split("/") or value.endswith("/"):
        raise ValueError(
            "a file on the box: a whole path like /etc/reader/token, or one below the app's data folder"
        )
    return value


def _stream(value: str) -> str:
    if not _INPUT.fullmatch(value) or value.startswith("-"):
        raise ValueError("this must be a URL, a whole path, or a path below the app's data folder")
    if "://" in value and "@" in value.partition("://")[2].partition("/")[0]:
        raise ValueError(
            "a password in a URL would be in git and in every bundle: put the URL into a file on the box, "
            "and name that with `input_file`"
        )
    return value


def _device(value: str) -> str:
    if not _BOX_FILE.fullmatch(value) or not value.startswith("/dev/") or ".." in value.split("/"):
        raise ValueError("a device of the box, like /dev/video0")
    return value


BoxFile = Annotated[str, AfterValidator(_box_file)]
Address = Annotated[str, AfterValidator(_numeric)]
Port = Annotated[int, Field(ge=1, le=65535)]
Side = Annotated[int, Field(ge=1, le=16384)]
Decoder = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


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


class TensorsSource(_Pictures):
    """What another node computed of a picture: this project's model is the rest of that one.

    The Open Inference Protocol over HTTP (KServe v2), its tensors as bytes. Who asks gets the record.
    """

    kind: Literal["tensors"] = Field(description="the model's input, from another node")
    port: Port = Field(description="where it listens")
    address: Address = Field(
        default="127.0.0.1",
        description="in numbers; `0.0.0.0` or `::` for all of the box's. It has no TLS and asks nobody who "
        "they are",
    )
    waiting: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=8,
        description="requests that wait to be taken in; one more is answered 503, with `Retry-After`. They "
        "are in memory; what is not of the size of the model's input is not taken",
    )


class _Stream(_Pictures):
    """What a program of the box's reads and decodes."""

    input: Annotated[str, AfterValidator(_stream)] | None = Field(
        default=None,
        description="a URL like rtsp://192.0.2.7/live, or a file of the box, below the app's data folder "
        "unless its path is whole",
    )
    input_file: BoxFile | None = Field(
        default=None,
        description="instead of it, a file on the box whose first line is the input: for one with a "
        "password, which stands in no log then. A whole path, or one below the app's data folder",
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="of RTSP")
    silent_s: Annotated[float, Field(ge=0.5, le=3600)] = Field(
        default=10, description="it is started again where no picture has come for so long"
    )
    again: bool = Field(
        default=True, description="begin again after the end, as of a camera; false: once is enough"
    )
    decoders: dict[TargetId, Decoder] = Field(
        default={},
        description="for a target whose chip decodes, the decoder by the name that the program knows it by: "
        "`{rk3588: h264_rkmpp}`; left out: the one that it takes itself",
    )

    @model_validator(mode="after")
    def _one(self) -> _Stream:
        if (self.input is None) == (self.input_file is None):
            raise ValueError(f"`kind: {getattr(self, 'kind', '')}` needs `input`, or `input_file`")
        return self


class FfmpegSource(_Stream):
    """Video files, streams and RTSP, through the ffmpeg that the box has."""

    kind: Literal["ffmpeg"] = Field(description="what the box's ffmpeg can read")
    program: Annotated[str, AfterValidator(_box_file)] = Field(
        default="ffmpeg", description="its name, or where it lies on the box"
    )


class GstreamerSource(_Stream):
    """Video files, streams, RTSP and cameras, through the GStreamer that the box has."""

    kind: Literal["gstreamer"] = Field(description="what the box's GStreamer can read")
    width: Side = Field(description="of the pictures; others are stretched to it")
    height: Side = Field(description="of the pictures; others are stretched to it")
    program: Annotated[str, AfterValidator(_box_file)] = Field(
        default="gst-launch-1.0", description="its name, or where it lies on the box"
    )
    converter: Decoder | None = Field(
        default=None,
        description="an element that brings pictures out of a decoder's own memory, as `nvvidconv` does on "
        "Jetson",
    )


class V4l2Source(_Pictures):
    """A camera at the box, USB or built in: Video4Linux, without another program."""

    kind: Literal["v4l2"] = Field(description="a camera at the box")
    device: Annotated[str, AfterValidator(_device)] = Field(
        default="/dev/video0",
        description="the camera's; `/dev/v4l/by-id/…` is the same one also after another was plugged in",
    )
    format: Literal["yuyv", "nv12", "gray", "mjpeg"] = Field(
        default="yuyv",
        description="how it gives its pictures; mjpeg needs jpeg in `formats`, and gives more pictures a "
        "second where they are large",
    )
    width: Side | None = Field(default=None, description="of the pictures; left out: as the driver likes it")
    height: Side | None = Field(default=None, description="of the pictures; left out: as the driver likes it")
    silent_s: Annotated[float, Field(ge=0.5, le=3600)] = Field(
        default=10, description="the camera is opened again where no picture has come for so long"
    )

    @model_validator(mode="after")
    def _reads(self) -> V4l2Source:
        if self.format == "mjpeg" and "jpeg" not in self.formats:
            raise ValueError("`format: mjpeg` is read by the decoder of JPEG: `formats: [jpeg]`")
        if (self.width is None) != (self.height is None):
            raise ValueError("`width` and `height` go together")
        return self


ANSWERS = (HttpSource, TensorsSource)  # listen, and answer whoever asks
STREAMS = (FfmpegSource, GstreamerSource)  # another program reads them


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
    | Annotated[HttpSource, Tag("http")]
    | Annotated[TensorsSource, Tag("tensors")]
    | Annotated[FfmpegSource, Tag("ffmpeg")]
    | Annotated[GstreamerSource, Tag("gstreamer")]
    | Annotated[V4l2Source, Tag("v4l2")],
    Discriminator(
        _source_kind,
        custom_error_type="kind",
        custom_error_message="`kind` of a source is one of: files, code, http, tensors, ffmpeg, gstreamer, "
        "v4l2",
    ),
]
