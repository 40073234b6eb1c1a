"""Sources beyond the program: cameras, streams, another node. What is taken, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgepack.compile.flow import check_flow, flow_of
from edgepack.compile.made import Made
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest
from edgepack.plan.libraries import needed
from tests.compile.talking import manifest

V4L2: dict[str, Any] = {"kind": "v4l2"}
GST: dict[str, Any] = {"kind": "gstreamer", "input": "rtsp://192.0.2.7/live", "width": 640, "height": 480}
FFMPEG: dict[str, Any] = {"kind": "ffmpeg", "input": "rtsp://192.0.2.7/live"}
TENSORS: dict[str, Any] = {"kind": "tensors", "port": 8500}
SINK: dict[str, Any] = {"kind": "tensors", "host": "192.0.2.9", "port": 8500, "model": "rest"}


def source_of(known: Manifest, target: str = "x86_64") -> Made:
    made = flow_of(known, target).source
    assert isinstance(made, Made)
    return made


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"source": {**V4L2, "device": "/etc/passwd"}}, "a device of the box"),
        ({"source": {**V4L2, "device": "/dev/../etc/passwd"}}, "a device of the box"),
        ({"source": {**V4L2, "device": "video0"}}, "a device of the box"),
        ({"source": {**V4L2, "format": "mjpeg"}}, "formats: [jpeg]"),
        ({"source": {**V4L2, "width": 640}}, "go together"),
        ({"source": {**V4L2, "width": 0, "height": 4}}, "greater than or equal to 1"),
        ({"source": {**V4L2, "format": "rgb"}}, "yuyv"),
        ({"source": {**GST, "input_file": "camera"}}, "`kind: gstreamer` needs `input`, or `input_file`"),
        ({"source": {**FFMPEG, "input": None}}, "`kind: ffmpeg` needs `input`, or `input_file`"),
        ({"source": {"kind": "gstreamer", "input": "a.mp4"}}, "width"),
        ({"source": {**GST, "input": "rtsp://u:p@192.0.2.7/live"}}, "a password in a URL"),
        ({"source": {**GST, "decoders": {"rk3588": "mppvideodec"}}}, "not among `targets`"),
        ({"source": {**FFMPEG, "decoders": {"x86_64": "h264 -i /etc/passwd"}}}, "pattern"),
        ({"source": {**FFMPEG, "decoders": {"x86_64": "-i"}}}, "pattern"),
        ({"source": {**GST, "converter": "filesink location=x"}}, "pattern"),
        ({"source": TENSORS, "pre": [{"resize": {"size": [4, 4]}}]}, "there is no `pre`"),
        ({"source": TENSORS, "sink": {"kind": "pictures", "keep_mb": 1}}, "no picture comes"),
        ({"source": TENSORS, "sink": {"kind": "samples", "keep_mb": 1, "when": {"every": 2}}}, "no picture"),
        ({"source": TENSORS, "metrics": {"port": 8500}}, "must be different"),
        ({"source": {**TENSORS, "address": "all"}}, "an address in numbers"),
        ({"source": {"kind": "camera"}}, "files, code, http, tensors, ffmpeg, gstreamer, v4l2"),
        ({"sink": {**SINK, "host": "a b"}}, "a host's name"),
        ({"sink": {**SINK, "model": "../x"}}, "a model's name"),
        ({"sink": {**SINK, "model": "x HTTP/1.1\r\nA: b"}}, "a model's name"),
        ({"sink": {**SINK, "timeout_s": 120}}, "less than watchdog.seconds"),
        ({"sink": {**SINK, "tensors": []}}, "at least 1 item"),
    ],
)
def test_what_cannot_be_is_refused_in_words(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        manifest(**said)
    assert words in str(refused.value)


def test_a_decoder_is_its_targets_own() -> None:
    for source in (GST, FFMPEG):
        known = manifest(
            source={**source, "decoders": {"rk3588": "h264_rkmpp"}}, targets={"rk3588": {}, "x86_64": {}}
        )
        assert dict(source_of(known, "rk3588").says)["decoder"] == "h264_rkmpp"
        assert dict(source_of(known).says)["decoder"] == ""


def test_what_leaves_pictures_out_itself_is_not_held_back_again() -> None:
    for source in (V4L2, GST, FFMPEG):
        flow = flow_of(manifest(source={**source, "fps": 5}))
        assert isinstance(flow.source, Made)
        assert (flow.fps, dict(flow.source.says)["fps"]) == (0, 5)
    assert flow_of(manifest(source={**TENSORS, "fps": 5})).fps == 5


def test_a_program_has_what_its_source_needs_and_no_more() -> None:
    assert needed(manifest(source=TENSORS)) == ("nlohmann-json",)
    assert needed(manifest(source=V4L2)) == needed(manifest(sink=SINK)) == ()
    assert needed(manifest(source={**V4L2, "format": "mjpeg", "formats": ["jpeg"]})) == ("libjpeg-turbo",)
    assert manifest(source=TENSORS, sink=[]).sinks == ()


def test_tensors_that_the_model_does_not_have_are_refused_with_those_that_it_has() -> None:
    flow = flow_of(manifest(sink={**SINK, "tensors": ["heat"]}))
    check_flow(flow, ["logits", "heat"])
    with pytest.raises(InputError, match="the model has no output heat") as refused:
        check_flow(flow, ["logits"])
    assert "logits" in str(refused.value.fix)
