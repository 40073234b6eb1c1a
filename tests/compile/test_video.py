"""Video through ffmpeg, whatever that does: a script in its place. The real one is in lab/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.talking import built, free_port, posted
from tests.compile.test_program_run import Box
from tests.compile.test_talking import listens

pytestmark = pytest.mark.slow

SECRET = "rtsp://admin:pa55word@192.0.2.7/door"
SCRIPT = """\
#!/bin/sh
here=${0%/*}
case "$*" in *matroska*) kind=video ;; *) kind=rtsp ;; esac
echo "$*" >>"$here/$kind.started"
. "$here/$kind.does"
"""
TAKES = 'exec cat >"$here/$kind.taken.$$"'
IDLE = "exec cat >/dev/null"


@dataclass(frozen=True)
class Made:
    program: Tiny
    port: int
    folder: Path  # of the script


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("in-its-place")
    (folder / "ffmpeg").write_text(SCRIPT)
    (folder / "ffmpeg").chmod(0o755)
    port = free_port()
    by: dict[str, Any] = {"program": str(folder / "ffmpeg"), "fps": 100}
    program = built(
        tmp_path_factory.mktemp("video"),
        source={"kind": "http", "port": port},
        sink=[
            {"kind": "video", "keep_mb": 8, "segment_s": 1.5, "bitrate_kb": 500, **by},
            {"kind": "rtsp", "url_file": "url", "codec": "mpeg4", **by},
        ],
    )
    return Made(program, port, folder)


@pytest.fixture
def box(made: Made, tmp_path: Path) -> Iterator[Box]:
    box = Box(made.program, tmp_path / "data")
    box.data.mkdir()
    (box.data / "url").write_text(SECRET + "\n")
    for file in made.folder.glob("*.*"):
        file.unlink()
    yield box
    if box.process is not None:
        box.process.kill()
        box.process.wait()


def begin(box: Box, made: Made, video: str, rtsp: str = IDLE) -> None:
    for kind, does in (("video", video), ("rtsp", rtsp)):
        (made.folder / f"{kind}.does").write_text(does + "\n")
    box.start()
    box.until(lambda: listens(made.port), "a listener")


def picture(value: int, height: int = 4, width: int = 6) -> bytes:
    pixels = np.full((height, width, 3), value, np.uint8)
    pixels[0, 0] = 0  # for how long `pre` works
    return tiny.ppm(pixels)


def show(box: Box, made: Made, body: bytes) -> None:
    status, _, _ = posted(made.port, body)
    assert status == 200, "who asks does not wait for the video"


def sink(box: Box, place: int) -> dict[str, Any]:
    rows = box.status().get("sinks", [])
    return rows[place] if rows else {}


def started(made: Made, kind: str) -> list[str]:
    file = made.folder / f"{kind}.started"
    return file.read_text().splitlines() if file.exists() else []


def taken(made: Made, kind: str) -> list[bytes]:
    files = sorted(made.folder.glob(f"{kind}.taken.*"), key=lambda file: file.stat().st_mtime_ns)
    return [file.read_bytes() for file in files]


def told(box: Box) -> str:
    return (box.data / "log").read_text() + json.dumps(box.status())


def test_its_words_are_those_and_it_gets_the_pictures_to_the_byte(box: Box, made: Made) -> None:
    begin(box, made, TAKES, TAKES)
    for n in (1, 2, 3):
        show(box, made, picture(n))
        box.until(lambda of=n: sink(box, 0).get("sent") == sink(box, 1).get("sent") == of, "each, one by one")
    assert box.stop() == 0
    raw = b"".join(picture(n).partition(b"255\n")[2] for n in (1, 2, 3))
    assert taken(made, "video") == taken(made, "rtsp") == [raw]
    common = (
        "-hide_banner -nostdin -loglevel error -use_wallclock_as_timestamps 1 -f rawvideo -pix_fmt rgb24 "
        "-video_size 6x4 -framerate 100 -i pipe:0 "
        "-vf scale='max(16,trunc(iw/2)*2)':'max(16,trunc(ih/2)*2)' -an -pix_fmt yuv420p"
    )
    segments = (
        "-f segment -segment_format matroska -segment_time 1.5 -reset_timestamps 1 "
        f"-segment_start_number 1 {box.data}/video/%09d.mkv"
    )
    assert started(made, "video") == [
        f"{common} -c:v libx264 -preset veryfast -tune zerolatency -b:v 500k -g 200 {segments}"
    ]
    assert started(made, "rtsp") == [f"{common} -c:v mpeg4 -g 200 -f rtsp -rtsp_transport tcp {SECRET}"]
    assert "pa55word" not in told(box)


def test_another_size_begins_another_video(box: Box, made: Made) -> None:
    begin(box, made, TAKES)
    for n, (height, width) in enumerate(((4, 6), (6, 4), (6, 4)), 1):
        show(box, made, picture(9, height, width))
        box.until(lambda of=n: sink(box, 0).get("sent") == of, "that it has it")
    assert box.stop() == 0
    assert [len(raw) for raw in taken(made, "video")] == [72, 144]
    assert ["4x6" in line for line in started(made, "video")] == [False, True]


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("echo it broke >&2; exit 3", "it ended with 3: it broke"),
        ("kill -SEGV $$", "it ended with 139"),
        ("head -c 10 >/dev/null; exit 0", "it ended with 0"),
        ('echo "$*: 401 for admin:pa55word, pa55word" >&2; exit 1', "it ended with 1: "),
        ("exec <&-; exec sleep 60", "it ended with 137"),
        ("yes noise 2>/dev/null | head -c 3000000 >&2; exit 1", "it ended with 1: noise"),
        (": >>x/y/z", "it ended with "),
    ],
)
def test_whatever_it_does_is_told_without_the_secret_and_it_is_begun_again(
    box: Box, made: Made, does: str, words: str
) -> None:
    begin(box, made, IDLE, f'[ $(wc -l <"$here/rtsp.started") -gt 1 ] && {IDLE}\n{does}')

    def again() -> bool:
        show(box, made, picture(7))
        return len(started(made, "rtsp")) > 1

    box.until(again, "a second one")
    assert words in (box.data / "log").read_text()
    assert "pa55word" not in told(box)
    assert "192.0.2.7" not in told(box)
    box.until(lambda: sink(box, 1).get("lost", 0) > 0, "that what was left out is counted")
    assert box.stop() == 0


def test_one_that_takes_nothing_holds_nobody_up(box: Box, made: Made) -> None:
    begin(box, made, "exec sleep 300")
    large = picture(5, 400, 300)  # more than a pipe holds
    for _ in range(20):
        show(box, made, large)
    box.until(lambda: sink(box, 0).get("lost", 0) >= 5, "that they are left out, and counted")
    box.until(lambda: "video: it takes no pictures" in told(box), "the trouble")
    assert sink(box, 1).get("trouble") is None
    assert box.stop() == 0


def test_what_is_not_there_is_named(box: Box, made: Made) -> None:
    (box.data / "url").write_text("http://192.0.2.7/\n")
    hidden = made.folder / "ffmpeg"
    hidden.rename(made.folder / "elsewhere")
    try:
        begin(box, made, IDLE)

        def named() -> bool:
            show(box, made, picture(5))
            log = (box.data / "log").read_text()
            return f"there is no {hidden} on this box" in log and "its first line is no URL" in log

        box.until(named, "both")
    finally:
        (made.folder / "elsewhere").rename(hidden)
    assert box.stop() == 0


def test_the_oldest_files_make_room_and_others_are_left_alone(box: Box, made: Made) -> None:
    folder = box.data / "video"
    folder.mkdir()
    for n in range(1, 8):
        (folder / f"{n:09}.mkv").write_bytes(bytes(1 << 20))
    for name in ("mine.mkv", "000000000.mp4", "00000001.mkv"):
        (folder / name).write_bytes(bytes(1 << 20))
    (folder / "000000008.mkv").symlink_to(folder / "mine.mkv")
    # It writes what the real one would: a file that grows beyond its share.
    grows = '[ -e "$here/grew" ] || head -c 3000000 /dev/zero >"${here}/grew" && '
    begin(box, made, f'{grows} for last; do :; done; cp "$here/grew" "$(printf "$last" 9)"; {TAKES}')

    def anew() -> bool:
        show(box, made, picture(4))
        return len(started(made, "video")) > 1

    box.until(anew, "that another file begins")
    assert "-segment_start_number 8" in started(made, "video")[0]
    box.until(lambda: not (folder / "000000003.mkv").exists(), "that the oldest go")
    assert box.stop() == 0
    left = sorted(file.name for file in folder.iterdir() if not file.is_symlink())
    others = ["000000000.mp4", "00000001.mkv", "mine.mkv"]
    assert left == sorted([*others, *(f"00000000{n}.mkv" for n in (4, 5, 6, 7, 9))])
    assert sum(file.lstat().st_size for file in folder.glob("0000000??.mkv")) <= 7 << 20
