"""Where a program's answers go, as what is rendered needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgepack.compile.made import Made
from edgepack.compile.quoting import Literal
from edgepack.manifest.picture_sinks import (
    Encoding,
    PicturesSink,
    RtspSink,
    SamplesSink,
    ScreenSink,
    VideoSink,
)
from edgepack.manifest.sinks import HttpSink, JsonlSink, MailSink, MqttSink, RedisSink, Sink, Spool, target_of
from edgepack.manifest.tensors import TensorsSink

_RING = ("sinks/picture_file.cpp", "sinks/ring.cpp")
_DRAWN = ("sinks/annotate.cpp", "sinks/draw.cpp", "sinks/picture_file.cpp")
_VIDEO = (*_DRAWN, "sinks/fed_child.cpp", "sinks/segments.cpp", "sinks/video_sink.cpp")
_SCREEN = (*_DRAWN, "sinks/frame_buffer.cpp", "sinks/frame_buffer_call.cpp", "sinks/screen_sink.cpp")
_HTTP = ("sinks/http_client.cpp", "sinks/socket.cpp")
_PEER = ("sinks/spool.cpp", "sinks/spooled_sink.cpp", "sinks/socket.cpp")


def sink_of(sink: Sink, name: str) -> str | Made:
    """As what is rendered needs it. name: of what it keeps on the box."""
    if isinstance(sink, JsonlSink):
        return sink.path
    if isinstance(sink, SamplesSink):
        return _made(sink, _samples(sink), (*_RING, "sinks/samples_sink.cpp"), sink.path)
    if isinstance(sink, PicturesSink):
        return _made(sink, _pictures(sink), (*_RING, *_DRAWN, "sinks/pictures_sink.cpp"), sink.path)
    if isinstance(sink, VideoSink | RtspSink):
        return Made(
            f"{sink.kind}_sink", "sinks/video_sink.hpp", tuple(_video(sink).items()), _VIDEO, _path(sink)
        )
    if isinstance(sink, ScreenSink):
        return _made(sink, _screen(sink), _SCREEN)
    if isinstance(sink, MailSink):
        files = (*_PEER, *_DRAWN, "sinks/mail_text.cpp", "sinks/smtp_peer.cpp", "sinks/mail_sink.cpp")
        return _made(sink, _mail(sink) | {"spool": _spool(sink.spool, name)}, files)
    if isinstance(sink, TensorsSink):
        made = _made(sink, _tensors(sink), (*_HTTP, "sinks/tensors_sink.cpp"))
        return replace(made, tensors=tuple(sink.tensors))
    says = _http(sink) if isinstance(sink, HttpSink) else _peer(sink)
    says |= {"timeout_s": float(sink.timeout_s), "spool": _spool(sink.spool, name)}
    client = _HTTP if isinstance(sink, HttpSink) else ()
    return _made(sink, says, (*_PEER, *client, f"sinks/{sink.kind}_sink.cpp"))


def _made(sink: Sink, says: Mapping[str, Literal], files: tuple[str, ...], path: str = "") -> Made:
    return Made(f"{sink.kind}_sink", f"sinks/{sink.kind}_sink.hpp", tuple(says.items()), files, path)


def _tensors(sink: TensorsSink) -> dict[str, Literal]:
    return {
        "host": sink.host,
        "port": sink.port,
        "model": sink.model,
        "tensors": tuple(sink.tensors),
        "timeout_s": float(sink.timeout_s),
    }


def _http(sink: HttpSink) -> dict[str, Literal]:
    from urllib.parse import urlsplit

    url = urlsplit(sink.url)
    return {
        "host": url.hostname or "",
        "port": url.port or 80,
        "target": target_of(sink.url),
        "token_file": sink.token_file or "",
        "most_lines": sink.most_lines,
    }


def _peer(sink: MqttSink | RedisSink) -> dict[str, Literal]:
    if isinstance(sink, MqttSink):
        return {
            "host": sink.host,
            "port": sink.port,
            "topic": sink.topic,
            "qos": sink.qos,
            "retain": sink.retain,
            "client": sink.client,
            "user": sink.user,
            "password_file": sink.password_file or "",
            "keepalive_s": sink.keepalive_s,
        }
    return {
        "host": sink.host,
        "port": sink.port,
        "command": sink.command,
        "key": sink.key,
        "most": sink.most or 0,
        "database": sink.database,
        "user": sink.user,
        "password_file": sink.password_file or "",
    }


def _mail(sink: MailSink) -> dict[str, Literal]:
    return {
        "host": sink.host,
        "port": sink.port,
        "sender": sink.sender,
        "to": tuple(sink.to),
        "subject": sink.subject,
        "alarm": sink.alarm,
        "picture": sink.picture or "",
        "show": tuple(sink.show),
        "every_s": float(sink.every_s),
        "user": sink.user,
        "password_file": sink.password_file or "",
        "timeout_s": float(sink.timeout_s),
    }


def _video(sink: VideoSink | RtspSink) -> dict[str, Literal]:
    if isinstance(sink, VideoSink):
        where: dict[str, Literal] = {
            "path": sink.path,
            "keep_mb": sink.keep_mb,
            "segment_s": float(sink.segment_s),
        }
    else:
        where = {"url": sink.url or "", "url_file": sink.url_file or "", "transport": sink.transport}
    return {**where, "encoding": _encoding(sink)}


def _screen(sink: ScreenSink) -> dict[str, Literal]:
    return {"device": sink.device, "fps": float(sink.fps), "show": tuple(sink.show)}


def _path(sink: VideoSink | RtspSink) -> str:
    return sink.path if isinstance(sink, VideoSink) else ""


def _encoding(sink: Encoding) -> tuple[Literal, ...]:
    return (sink.program, sink.codec, sink.bitrate_kb or 0, float(sink.fps), tuple(sink.show))


def _samples(sink: SamplesSink) -> dict[str, Literal]:
    when = sink.when
    return {
        "path": sink.path,
        "keep_mb": sink.keep_mb,
        "format": sink.format,
        "every": when.every or 0,
        "low": when.low.field if when.low else "",
        "below": float(when.low.below) if when.low else 0.0,
        "alarm": when.alarm.field if when.alarm else "",
        "before": when.alarm.before if when.alarm else 0,
        "after": when.alarm.after if when.alarm else 0,
    }


def _pictures(sink: PicturesSink) -> dict[str, Literal]:
    return {
        "path": sink.path,
        "keep_mb": sink.keep_mb,
        "format": sink.format,
        "fps": float(sink.fps or 0),
        "found": sink.found,
        "show": tuple(sink.show),
    }


def _spool(spool: Spool, name: str) -> tuple[Literal, ...]:
    """Where answers wait, megabytes of them, whether the oldest go."""
    return (name, spool.most_mb, spool.when_full == "drop_oldest")
