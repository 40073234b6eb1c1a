"""Sinks that want the pictures: samples, and pictures and video with what was found drawn into them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edgepack.manifest.sources import BoxFile, ImageFormat
from edgepack.manifest.words import InsidePath, Model

FieldName = Annotated[str, Field(min_length=1, max_length=128)]
_SCREEN = re.compile(r"/dev/(fb[0-9]{1,2}|fb/[0-9]{1,2}|graphics/fb[0-9]{1,2})", re.ASCII)
_CODEC = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_RTSP = re.compile(r"rtsp://[A-Za-z0-9.:\[\]-]{1,260}(/[!-~]{0,1000})?", re.ASCII)


def _screen(value: str) -> str:
    if not _SCREEN.fullmatch(value):
        raise ValueError("a frame buffer is like /dev/fb0")
    return value


def _codec(value: str) -> str:
    if not _CODEC.fullmatch(value):
        raise ValueError("an encoder's name as `ffmpeg -encoders` says it, like libx264 or h264_v4l2m2m")
    return value


def _rtsp(value: str) -> str:
    if value.startswith("rtsp://") and "@" in value.removeprefix("rtsp://").partition("/")[0]:
        raise ValueError(
            "a password in a URL would be in git and in every bundle: put the URL into a file on the box, "
            "and name that with `url_file`"
        )
    if not _RTSP.fullmatch(value):
        raise ValueError("this must be a URL like rtsp://192.0.2.7:8554/door")
    return value


class Encoding(Model):
    """How pictures become video, by the ffmpeg that the box has."""

    fps: Annotated[float, Field(gt=0, le=120)] = Field(default=10, description="pictures a second, at most")
    codec: Annotated[str, AfterValidator(_codec)] = Field(
        default="libx264",
        description="the encoder, as the box's `ffmpeg -encoders` names it: mpeg4 is in every ffmpeg; some "
        "boxes have one in hardware",
    )
    bitrate_kb: Annotated[int, Field(ge=10, le=100_000)] | None = Field(
        default=None, description="kilobits a second; left out: as the encoder likes"
    )
    show: Annotated[list[FieldName], Field(max_length=20)] = Field(
        default=[], description="fields of the record that are written into the upper left corner"
    )
    program: BoxFile = Field(default="ffmpeg", description="its name, or where it lies on the box")


class Low(Model):
    """A field that says how sure the model is."""

    field: FieldName = Field(description="a number of the record, or a list of them: any of it counts")
    below: Annotated[float, Field(allow_inf_nan=False)] = Field(
        description="the picture is kept where it is less"
    )


class Around(Model):
    """A field that says that something has happened."""

    field: FieldName = Field(
        description="a truth value of the record, as the rule `alarm` sets one: when it becomes true"
    )
    before: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="pictures before it that are kept too; so many are in memory, as files"
    )
    after: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="pictures after it that are kept too"
    )


class When(Model):
    """Which pictures are kept: those that one of these asks for."""

    every: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="one of so many, beginning with the first"
    )
    low: Low | None = Field(default=None, description="where the model is not sure")
    alarm: Around | None = Field(default=None, description="around an alarm")

    @model_validator(mode="after")
    def _some(self) -> When:
        if self.every is None and self.low is None and self.alarm is None:
            raise ValueError("say which pictures: `every: 100`, `low: {…}` or `alarm: {…}`")
        return self


class SamplesSink(Model):
    """Pictures worth another look, each with its record beside it, the newest in a bounded folder."""

    kind: Literal["samples"] = Field(description="a bounded ring of pictures on disk")
    path: InsidePath = Field(default="samples", description="the folder, below the app's data folder")
    keep_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="what the folder takes on disk, at most: the oldest make room, also after a kill"
    )
    when: When = Field(description="which pictures")
    format: ImageFormat = Field(
        default="pnm",
        description="pnm and png keep each pixel; jpeg and png have to be in `source.formats` too",
    )


class PicturesSink(Model):
    """Pictures with boxes and words drawn into them, the newest in a bounded folder."""

    kind: Literal["pictures"] = Field(description="annotated images")
    path: InsidePath = Field(default="pictures", description="the folder, below the app's data folder")
    keep_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="what the folder takes on disk, at most: the oldest make room, also after a kill"
    )
    format: ImageFormat = Field(
        default="pnm", description="jpeg and png have to be in `source.formats` too: it is the same library"
    )
    fps: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None, description="pictures a second, at most; left out: all"
    )
    found: bool = Field(default=False, description="only pictures in which something was found")
    show: Annotated[list[FieldName], Field(max_length=20)] = Field(
        default=[], description="fields of the record that are written into the upper left corner"
    )


class VideoSink(Encoding):
    """Video with boxes and words drawn in, in files of a bounded folder."""

    kind: Literal["video"] = Field(description="annotated video in files, through the box's ffmpeg")
    path: InsidePath = Field(default="video", description="the folder, below the app's data folder")
    keep_mb: Annotated[int, Field(ge=8, le=10_000_000)] = Field(
        description="what the folder takes on disk, at most: the oldest files make room"
    )
    segment_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=60, description="how long a file is; one that would take more than a quarter ends before"
    )


class RtspSink(Encoding):
    """Video with boxes and words drawn in, sent to an RTSP server."""

    kind: Literal["rtsp"] = Field(description="annotated video to an RTSP server, through the box's ffmpeg")
    url: Annotated[str, AfterValidator(_rtsp)] | None = Field(
        default=None, description="where to, like rtsp://192.0.2.7:8554/door"
    )
    url_file: BoxFile | None = Field(
        default=None,
        description="instead of it, a file on the box whose first line is the URL: for one with a password. "
        "A whole path, or one below the app's data folder",
    )
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="of RTSP")

    @model_validator(mode="after")
    def _one(self) -> RtspSink:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("`kind: rtsp` needs `url`, or `url_file`")
        return self


class ScreenSink(Model):
    """Pictures with boxes and words drawn in, on the box's own display."""

    kind: Literal["screen"] = Field(description="annotated pictures on the box's display")
    device: Annotated[str, AfterValidator(_screen)] = Field(
        default="/dev/fb0", description="the display's frame buffer"
    )
    fps: Annotated[float, Field(gt=0, le=120)] = Field(default=10, description="pictures a second, at most")
    show: Annotated[list[FieldName], Field(max_length=20)] = Field(
        default=[], description="fields of the record that are written into the upper left corner"
    )
