"""The real ffmpeg as a sink: files that play, also after a kill, and an RTSP server that comes and goes."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.talking import built, free_port, posted
from tests.compile.test_program_run import Box
from tests.compile.test_talking import listens

FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
RAW = ["-f", "rawvideo", "-pix_fmt", "gray"]
HEIGHT, WIDTH = 48, 64


@dataclass(frozen=True)
class Made:
    program: Tiny
    source: int
    server: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    source, server = free_port(), free_port()
    program = built(
        tmp_path_factory.mktemp("video"),
        source={"kind": "http", "port": source},
        sink=[
            {"kind": "video", "keep_mb": 50, "segment_s": 1, "fps": 20},
            {"kind": "rtsp", "url": f"rtsp://127.0.0.1:{server}/door", "codec": "mpeg4", "fps": 20},
        ],
    )
    return Made(program, source, server)


@pytest.fixture
def box(made: Made, tmp_path: Path) -> Iterator[Box]:
    box = Box(made.program, tmp_path / "data")
    box.data.mkdir()
    box.start()
    box.until(lambda: listens(made.source), "a listener")
    yield box
    assert box.process is not None
    box.process.kill()
    box.process.wait()


def flat(value: int) -> bytes:
    pixels = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
    pixels[0, 0] = 0  # for how long `pre` works
    return tiny.ppm(pixels)


def show(made: Made, value: int) -> None:
    assert posted(made.source, flat(value))[0] == 200


def rows(box: Box) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = box.status().get("sinks", [{}, {}])
    return found


def grays(file: Path) -> list[int]:
    """How bright each picture of a video is in its middle."""
    done = subprocess.run([*FFMPEG, "-i", str(file), *RAW, "-"], check=True, capture_output=True)
    return middles(done.stdout)


def middles(raw: bytes) -> list[int]:
    whole = len(raw) // (HEIGHT * WIDTH) * HEIGHT * WIDTH
    pictures = np.frombuffer(raw[:whole], np.uint8).reshape(-1, HEIGHT, WIDTH)
    return [round(float(picture[16:32, 16:48].mean())) for picture in pictures]


def brighter(box: Box, made: Made, count: int) -> list[int]:
    """Pictures that grow brighter, each when the one before is in the video."""
    values = [20 + n * 200 // count for n in range(count)]
    for value in values:
        before = rows(box)[0].get("sent", 0)

        def one_more(value: int = value, before: int = before) -> bool:
            show(made, value)
            return bool(rows(box)[0].get("sent", 0) > before)

        box.until(one_more, "that it is taken")
    return values


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_its_files_can_be_played(box: Box, made: Made, killed: bool) -> None:
    values = brighter(box, made, 8)
    box.until(lambda: len(list((box.data / "video").iterdir())) > 1, "a second file")
    if killed:
        assert box.process is not None
        box.process.kill()
        box.process.wait()
    else:
        assert box.stop() == 0
    files = sorted((box.data / "video").iterdir())
    assert [file.name for file in files] == [f"{n:09}.mkv" for n in range(1, len(files) + 1)]
    # What a kill leaves of the last one may be nothing; all others are whole.
    seen = [gray for file in (files[:-1] if killed else files) for gray in grays(file)]
    assert seen == sorted(seen)
    if not killed:
        assert len(seen) >= len(values)
        assert {round(gray / 25) for gray in seen} == {round(value / 25) for value in values}


@contextlib.contextmanager
def server(port: int, into: Path) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg as an RTSP server that somebody announces a stream to: RFC 2326, ANNOUNCE and RECORD."""
    url = f"rtsp://127.0.0.1:{port}/door"
    process = subprocess.Popen(
        [*FFMPEG, "-rtsp_flags", "listen", "-i", url, *RAW, "-flush_packets", "1", str(into)]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def listening(port: int) -> bool:
    """Whether somebody listens there. Not by a visit: the server above takes one."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)


def has_some(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 4 * HEIGHT * WIDTH


def test_a_server_gets_the_stream_and_gets_it_again(box: Box, made: Made, tmp_path: Path) -> None:
    def sending_until(reached: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 120  # the pauses between two attempts grow to 30 s
        while not reached():
            assert time.monotonic() < deadline, f"{what}: {box.status()} {(box.data / 'log').read_text()}"
            show(made, 200)
            time.sleep(0.05)

    for n in range(2):
        into = tmp_path / f"{n}.raw"
        with server(made.server, into):
            box.until(lambda: listening(made.server), "a server")
            sending_until(partial(has_some, into), "a stream")
        seen = middles(into.read_bytes())
        assert len(seen) > 3
        assert all(abs(gray - 200) < 8 for gray in seen)
        sending_until(lambda: "Connection refused" in rows(box)[1].get("trouble", ""), "that it has gone")
    assert rows(box)[0].get("trouble") is None
    assert box.stop() == 0
