"""The manifest's sources, as what is rendered needs them."""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.compile.made import Made
from edgepack.compile.quoting import Literal
from edgepack.manifest.sources import (
    FfmpegSource,
    FilesSource,
    GstreamerSource,
    HttpSource,
    Source,
    TensorsSource,
    V4l2Source,
)

SERVER = ("event_loop.cpp", "http_parser.cpp", "http_server.cpp")


_CHILD = ("sources/child.cpp", "sources/child_source.cpp")
_V4L2 = ("sources/v4l2_camera.cpp", "sources/v4l2_source.cpp", "sources/video_calls.cpp")


def source_of(source: Source, target: str) -> str | Made:
    """For that target: a folder, or one that is made; empty for a project's own."""
    if isinstance(source, FilesSource):
        return source.path
    if isinstance(source, HttpSource):
        return _made(source, _http(source), (*SERVER, "sources/http_source.cpp"))
    if isinstance(source, TensorsSource):
        files = ("sources/tensors_request.cpp", "sources/tensors_source.cpp")
        return _made(source, _tensors(source), (*SERVER, *files))
    if isinstance(source, FfmpegSource):
        return _made(source, _ffmpeg(source, target), (*_CHILD, "sources/ffmpeg_source.cpp"))
    if isinstance(source, GstreamerSource):
        return _made(source, _gstreamer(source, target), (*_CHILD, "sources/gstreamer_source.cpp"))
    return _made(source, _v4l2(source), _V4L2) if isinstance(source, V4l2Source) else ""


def _made(source: Source, says: Mapping[str, Literal], files: tuple[str, ...]) -> Made:
    return Made(f"{source.kind}_source", f"sources/{source.kind}_source.hpp", tuple(says.items()), files)


def _http(source: HttpSource) -> Mapping[str, Literal]:
    return {
        "address": source.address,
        "port": source.port,
        "most_bytes": source.most_mb << 20,
        "waiting": source.waiting,
    }


def _tensors(source: TensorsSource) -> Mapping[str, Literal]:
    return {"address": source.address, "port": source.port, "waiting": source.waiting}


def _stream(source: FfmpegSource | GstreamerSource) -> tuple[Literal, ...]:
    """How it is started and watched."""
    named = (source.program, source.input or "", source.input_file or "")
    return (*named, float(source.silent_s), source.again)


def _ffmpeg(source: FfmpegSource, target: str) -> Mapping[str, Literal]:
    return {
        "stream": _stream(source),
        "transport": source.transport,
        "decoder": source.decoders.get(target, ""),
        "fps": float(source.fps or 0),
    }


def _gstreamer(source: GstreamerSource, target: str) -> Mapping[str, Literal]:
    return {
        "stream": _stream(source),
        "transport": source.transport,
        "decoder": source.decoders.get(target, ""),
        "converter": source.converter or "",
        "width": source.width,
        "height": source.height,
        "fps": float(source.fps or 0),
    }


def _v4l2(source: V4l2Source) -> Mapping[str, Literal]:
    return {
        "device": source.device,
        "format": source.format,
        "width": source.width or 0,
        "height": source.height or 0,
        "fps": float(source.fps or 0),
        "silent_s": float(source.silent_s),
    }
