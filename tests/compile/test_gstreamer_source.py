"""What is read of GStreamer, whatever that does: a script in its place. The real one is in lab/."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compile.program_driver import Driver, compiled

pytestmark = pytest.mark.slow

SECRET = "rtsp://admin:pa55word@192.0.2.7/live"
SCRIPT = """\
#!/bin/sh
here=${0%/*}
echo "$GST_PLUGIN_FEATURE_RANK $*" >>"$here/started"
. "$here/does"
"""
# 3 x 2: a row is nine bytes, and three that fill it up.
FRAME = r"printf '\001\002\003\004\005\006\007\010\011xyz\011\012\013\014\015\016\017\020\021xyz'"
PIXELS = [1, 4, 7, 9, 12, 15, 2, 5, 8, 10, 13, 16, 3, 6, 9, 11, 14, 17]


class Streamed:
    """A source that starts the script, which does as it is told."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self.driver, self.folder = driver, folder
        script = folder / "gst-launch-1.0"
        script.write_text(SCRIPT)
        script.chmod(0o755)

    def open(self, does: str, *, url: str = SECRET, silent: float = 20, more: str = "- - 3 2 0") -> None:
        (self.folder / "does").write_text(does + "\n")
        (self.folder / "url").write_text(url + "\n")
        words = f"{self.folder} {self.folder}/gst-launch-1.0 url {silent} 1 tcp {more}"
        assert self.driver.ask("open", words) is True

    def first(self, key: str) -> Any:
        """What is said next of that kind; a busy machine takes its time."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if key in (said := self.driver.ask("next")):
                return said
        raise AssertionError(f"no {key}: {(self.folder / 'started').read_text()}")

    def words(self) -> str:
        return (self.folder / "started").read_text().splitlines()[0]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    program = compiled(tmp_path_factory.mktemp("stream"), Path(__file__).with_name("stream_driver.cpp"))
    made = Driver(program)
    yield made
    made.close()


@pytest.fixture
def streamed(driver: Driver, tmp_path: Path) -> Streamed:
    return Streamed(driver, tmp_path)


REST = "! videoconvert ! videoscale ! video/x-raw,format=RGB,width=3,height=2 ! fdsink fd=1 sync=false"
LIVE = "! queue leaky=downstream max-size-buffers=2"


@pytest.mark.parametrize(
    ("url", "more", "words"),
    [
        (SECRET, "- - 3 2 0", f"-q uridecodebin uri=rtspt{SECRET[4:]} {LIVE} {REST}"),
        (
            SECRET,
            "mppvideodec - 3 2 2.5",
            (
                f"-q uridecodebin uri=rtspt{SECRET[4:]} {LIVE} ! videorate drop-only=true ! "
                f"video/x-raw,framerate=2500/1000 {REST}"
            ),
        ),
        (
            "http://192.0.2.7/a ! filesink location='/x y'",
            "nvv4l2decoder nvvidconv 3 2 0",
            (
                "-q uridecodebin uri=http://192.0.2.7/a%20%21%20filesink%20location=%27/x%20y%27 "
                f"{LIVE} ! nvvidconv ! video/x-raw {REST}"
            ),
        ),
        ("/dev/video0", "- - 3 2 0", f"-q v4l2src device=/dev/video0 ! decodebin {LIVE} {REST}"),
        ("/a b!%.mp4", "- - 3 2 0", f"-q uridecodebin uri=file:///a%20b%21%25.mp4 {REST}"),
    ],
)
def test_its_words_are_those_and_its_pictures_are_read(
    streamed: Streamed, url: str, more: str, words: str
) -> None:
    streamed.open(f"{FRAME}; {FRAME}; exec sleep 60", url=url, more=more)
    assert [streamed.first("name") for _ in range(2)] == [{"name": str(n), "pixels": PIXELS} for n in (1, 2)]
    decoder = more.split(maxsplit=1)[0]
    assert streamed.words() == (f"{decoder}:MAX {words}" if decoder != "-" else f" {words}")


FIRST = "ERROR: from element /GstPipeline:p/GstRTSPSrc:source: Could not open admin:pa55word"


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("exec sleep 60", "nothing has come for 1 s"),
        (f"{FRAME}; exit 0", "the stream has ended"),
        (f"printf 123; echo '{FIRST}' >&2; echo 'ERROR: later' >&2; exit 1", "ended with 1: Could not open"),
        ("echo 'WARNING: erroneous pipeline: no element \"x\"' >&2; exit 1", 'ended with 1: no element "x"'),
        (
            (
                "printf 'ERROR: from element /p/x: Internal.\\nAdditional debug info:\\n../x.c(1): f ():\\n"
                "reason not-linked (-1)\\nERROR: later\\n' >&2; exit 1"
            ),
            "ended with 1: Internal. reason not-linked (-1)",
        ),
        ("echo out of memory >&2; exit 1", "ended with 1: out of memory"),
        ("kill -SEGV $$", "it ended with 139"),
        ("exit 127", "there is no "),
    ],
)
def test_whatever_it_does_is_told_without_the_secret_and_it_is_begun_again(
    streamed: Streamed, does: str, words: str
) -> None:
    again = f'[ $(wc -l <"$here/started") -gt 1 ] && {{ {FRAME}; exec sleep 60; }}\n{does}'
    streamed.open(again, silent=1 if "sleep 60" in does.splitlines()[-1] else 20)
    said = streamed.first("error")["error"]
    assert words in said
    assert "pa55word" not in said
    assert streamed.first("name")["pixels"] == PIXELS


def test_half_a_picture_is_none(streamed: Streamed) -> None:
    streamed.open(f"{FRAME} | head -c 20; exit 0")
    assert "the stream has ended" in streamed.first("error")["error"]


def test_more_pixels_than_are_read_are_refused(streamed: Streamed) -> None:
    said = streamed.driver.ask("open", f"{streamed.folder} x url 1 1 tcp - - 16384 16384 0")
    assert "pixels" in said["error"]
