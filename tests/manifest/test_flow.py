"""`source` and `sink`: what is refused, and that the words say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.compile.flow import check_flow, flow_of
from edgepack.errors import InputError
from edgepack.manifest import project
from edgepack.manifest.project import Manifest

BASE = {"name": "reader", "version": "1", "model": {"file": "m.onnx"}, "targets": {"x86_64": {}}}
HTTP = {"kind": "http", "url": "http://192.0.2.7/a"}
MQTT = {"kind": "mqtt", "host": "broker.local", "topic": "t"}
REDIS = {"kind": "redis", "host": "redis.local", "key": "k"}
MAIL = {
    "kind": "mail",
    "host": "relay.local",
    "sender": "box@site.example",
    "to": ["guard@site.example"],
    "alarm": "intruder",
}
VIDEO = {"kind": "video", "keep_mb": 10}
SAMPLES = {"kind": "samples", "keep_mb": 10}


def loaded(folder: Path, said: dict[str, Any]) -> Manifest:
    (folder / "m.onnx").write_bytes(b"never read")
    (folder / project.FILE).write_text(yaml.safe_dump({**BASE, **said}))
    return project.load(folder).manifest


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a kind of source": ({"source": {"kind": "htp", "port": 80}}, "one of: files, code, http"),
    "a kind of sink": ({"sink": {"kind": "kafka"}}, "one of: jsonl, http, tensors, mqtt, redis, mail"),
    "a kind that is none": ({"sink": {"kind": 3}}, "one of: jsonl, http"),
    "no port": ({"source": {"kind": "http"}}, "`port` is missing"),
    "a port": ({"source": {"kind": "http", "port": 70000}}, "less than or equal to 65535"),
    "an address": ({"source": {"kind": "http", "port": 80, "address": "localhost"}}, "in numbers"),
    "a key": ({"source": {"kind": "http", "port": 80, "pots": 1}}, "did you mean `port`?"),
    "another kind's key": ({"sink": {**MQTT, "url": "http://x/"}}, "unknown key `url`"),
    "a key in a list": ({"sink": [HTTP, {**MQTT, "topci": "t"}]}, "did you mean `topic`?"),
    "https": ({"sink": {**HTTP, "url": "https://192.0.2.7/a"}}, "run a TLS proxy beside it"),
    "a URL's password": ({"sink": {**HTTP, "url": "http://me:pw@192.0.2.7/a"}}, "use `token_file`"),
    "a URL's line": ({"sink": {**HTTP, "url": "http://192.0.2.7/a\r\nX: y"}}, "%20 for a blank"),
    "a URL's blank": ({"sink": {**HTTP, "url": "http://192.0.2.7/a b"}}, "%20 for a blank"),
    "a URL's port": ({"sink": {**HTTP, "url": "http://192.0.2.7:99999/"}}, "not a URL"),
    "no URL": ({"sink": {**HTTP, "url": "192.0.2.7"}}, "this must be a URL"),
    "a token's place": ({"sink": {**HTTP, "token_file": "../token"}}, "a file on the box"),
    "a host": ({"sink": {**MQTT, "host": "mqtt://broker"}}, "a host's name or its address"),
    "a topic": ({"sink": {**MQTT, "topic": "site/#"}}, "without + and #"),
    "a password without a name": ({"sink": {**MQTT, "password_file": "p"}}, "goes with `user`"),
    "quality": ({"sink": {**MQTT, "qos": 2}}, "less than or equal to 1"),
    "a command": ({"sink": {**REDIS, "command": "rpsh"}}, "did you mean `rpush`?"),
    "what PUBLISH keeps": ({"sink": {**REDIS, "command": "publish", "most": 5}}, "PUBLISH keeps nothing"),
    "a mail's address": ({"sink": {**MAIL, "to": ["Guard <g@site.example>"]}}, "is like guard@site.example"),
    "a mail's header": ({"sink": {**MAIL, "sender": "a@b.example\r\nBcc: c@d.example"}}, "a mail address"),
    "nobody": ({"sink": {**MAIL, "to": []}}, "at least 1 item"),
    "a subject's line": ({"sink": {**MAIL, "subject": "a\r\nBcc: b"}}, "one line"),
    "a subject's field": ({"sink": {**MAIL, "subject": "{host"}}, "stands in braces"),
    "a mail's password": (
        {"sink": {**MAIL, "user": "box", "password_file": "p"}},
        "run stunnel on the box and name `host: 127.0.0.1`",
    ),
    "half a login": ({"sink": {**MAIL, "host": "127.0.0.1", "user": "box"}}, "go together"),
    "a mail's picture": ({"sink": {**MAIL, "picture": "jpeg"}}, "add it to source.formats"),
    "words without a picture": ({"sink": {**MAIL, "show": ["count"]}}, "say `picture: jpeg` too"),
    "a video without an end": ({"sink": {"kind": "video"}}, "`keep_mb` is missing"),
    "an encoder": ({"sink": {**VIDEO, "codec": "libx264 -y"}}, "an encoder's name"),
    "a stream to nowhere": ({"sink": {"kind": "rtsp"}}, "needs `url`, or `url_file`"),
    "a stream's URL": ({"sink": {"kind": "rtsp", "url": "http://192.0.2.7/door"}}, "a URL like rtsp://"),
    "an option for a URL": ({"sink": {"kind": "rtsp", "url": "-y"}}, "a URL like rtsp://"),
    "a stream's password": (
        {"sink": {"kind": "rtsp", "url": "rtsp://a:b@192.0.2.7/door"}},
        "with `url_file`",
    ),
    "a screen": ({"sink": {"kind": "screen", "device": "/dev/sda"}}, "is like /dev/fb0"),
    "two videos": ({"sink": [VIDEO, VIDEO]}, "two sinks have the same path"),
    "no samples": ({"sink": {**SAMPLES, "when": {}}}, "say which pictures"),
    "samples' format": (
        {"sink": {**SAMPLES, "format": "jpeg", "when": {"every": 5}}},
        "add it to source.formats",
    ),
    "no sink": ({"sink": []}, "add a sink"),
    "two ports": (
        {"source": {"kind": "http", "port": 80}, "metrics": {"port": 80}},
        "metrics.port and source.port must be different",
    ),
    "health without metrics": (
        {"health": {"metrics": True}},
        "`health.metrics` asks what `metrics` answers: add `metrics: {port: 9100}`",
    ),
    "two folders": (
        {"sink": [{**SAMPLES, "when": {"every": 5}}, {"kind": "jsonl", "path": "samples"}]},
        "two sinks have the same path",
    ),
    "the source's folder": (
        {"source": {"path": "samples"}, "sink": {**SAMPLES, "when": {"every": 5}}},
        "diff",
    ),
}


@pytest.mark.parametrize(("said", "words"), WRONG.values(), ids=list(WRONG))
def test_a_mistake_is_told_with_what_to_do(tmp_path: Path, said: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, said)
    told = [f"{problem.message} {problem.hint}" for problem in refused.value.problems]
    assert any(words in line for line in told), told


def test_each_sink_keeps_its_own_things_by_its_place(tmp_path: Path) -> None:
    flow = flow_of(loaded(tmp_path, {"sink": [HTTP, MQTT, HTTP, {"kind": "jsonl"}]}))
    spools = [dict(made.says)["spool"] for made in flow.made]
    assert spools == [("http-1", 16, False), ("mqtt-1", 16, False), ("http-2", 16, False)]
    assert flow.sinks[3] == "results.jsonl"


def test_a_list_may_be_empty_where_who_asks_is_answered(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"source": {"kind": "http", "port": 80}, "sink": []}).sinks == ()


def test_nothing_is_written_over_what_waits(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="spool"):
        check_flow(flow_of(loaded(tmp_path, {"sink": {"kind": "jsonl", "path": "spool/a.jsonl"}})))
