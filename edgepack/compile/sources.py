"""The manifest's sources, as what is rendered needs them."""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.compile.made import Made
from edgepack.compile.quoting import Literal
from edgepack.manifest.sources import FfmpegSource, FilesSource, HttpSource, Source, TensorsSource

SERVER = ("event_loop.cpp", "http_parser.cpp", "http_server.cpp")


def source_of(source: Source) -> str | Made:
    """A folder, or one that is made; empty for a project's own."""
    if isinstance(source, FilesSource):
        return source.path
    if isinstance(source, HttpSource):
        return _made(source, _http(source), (*SERVER, "sources/http_source.cpp"))
    if isinstance(source, TensorsSource):
        files = ("sources/tensors_request.cpp", "sources/tensors_source.cpp")
        return _made(source, _tensors(source), (*SERVER, *files))
    if isinstance(source, FfmpegSource):
        return _made(source, _ffmpeg(source), ("sources/child.cpp", "sources/ffmpeg_source.cpp"))
    return ""


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


def _ffmpeg(source: FfmpegSource) -> Mapping[str, Literal]:
    return {
        "program": source.program,
        "input": source.input or "",
        "input_file": source.input_file or "",
        "transport": source.transport,
        "fps": float(source.fps or 0),
        "silent_s": float(source.silent_s),
        "again": source.again,
    }
