"""The real GStreamer as a source: a file to the last bit, an RTSP camera with a password that goes away."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.compile.conftest import Tiny
from tests.compile.talking import built
from tests.compile.test_program_run import Box
from tests.lab.test_ffmpeg import FFMPEG, Camera

pytestmark = pytest.mark.skipif(
    not (shutil.which("gst-launch-1.0") and shutil.which("ffmpeg")),
    reason="needs gst-launch-1.0 and ffmpeg (tests/lab/packages.txt)",
)
SIZE = (61, 48)  # a row of 183 bytes, and one that fills it up


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    source = {
        "kind": "gstreamer",
        "input_file": "input",
        "width": SIZE[0],
        "height": SIZE[1],
        "silent_s": 20,
    }
    return built(
        tmp_path_factory.mktemp("gstreamer"),
        source=source,
        sink=[{"kind": "jsonl"}, {"kind": "samples", "keep_mb": 50, "when": {"every": 1}}],
    )


@contextlib.contextmanager
def reading(watching: Tiny, data: Path, what: str) -> Iterator[Box]:
    box = Box(watching, data)
    data.mkdir()
    (data / "input").write_text(what + "\n")
    box.start()
    try:
        box.until(box.runs, "a status")
        yield box
    finally:
        assert box.process is not None
        box.process.kill()
        box.process.wait()


def test_a_file_is_read_to_the_last_bit(watching: Tiny, tmp_path: Path) -> None:
    video = tmp_path / "a video, with 100% of !signs!.avi"
    drawn = [*FFMPEG, "-f", "lavfi", "-i", f"testsrc=size={SIZE[0]}x{SIZE[1]}:rate=10:duration=1"]
    subprocess.run([*drawn, "-c:v", "png", str(video)], check=True)
    frames = [*FFMPEG, "-i", str(video), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    raw = subprocess.run(frames, check=True, stdout=subprocess.PIPE).stdout
    expected = np.frombuffer(raw, np.uint8).reshape(10, SIZE[1], SIZE[0], 3)
    with reading(watching, tmp_path / "data", str(video)) as box:
        box.until(lambda: "the stream has ended" in (box.data / "log").read_text(), "the end")
        box.until(lambda: len(box.lines()) >= 10, "ten answers")
        assert box.stop() == 0
    kept = sorted((tmp_path / "data" / "samples").glob("*.ppm"))[:10]  # then it begins again
    found = [np.frombuffer(path.read_bytes()[-expected[0].size :], np.uint8) for path in kept]
    assert np.array_equal(np.stack(found).reshape(expected.shape), expected)


def test_a_camera_that_asks_for_a_password_and_hangs_up_is_asked_again(
    watching: Tiny, tmp_path: Path
) -> None:
    camera = Camera("admin:pa55word")
    url = f"rtsp://admin:pa55word@127.0.0.1:{camera.port}/live"
    try:
        with reading(watching, tmp_path / "data", url) as box:
            box.until(lambda: len(box.lines()) > 3, "answers")
            camera.hang_up()
            seen = len(box.lines())
            box.until(lambda: camera.played > 1, "another try")
            box.until(lambda: len(box.lines()) > seen + 3, "answers again")
            told = (box.data / "log").read_text() + (box.data / "status.json").read_text()
            assert "pa55word" not in told
            assert box.stop() == 0
    finally:
        camera.close()
