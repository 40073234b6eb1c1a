"""What is read of ffmpeg, whatever that does: a script in its place. The real one is in lab/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compile.conftest import Tiny
from tests.compile.talking import built
from tests.compile.test_program_run import Box

pytestmark = pytest.mark.slow

SECRET = "rtsp://admin:pa55word@192.0.2.7/live"
SCRIPT = """\
#!/bin/sh
here=${0%/*}
echo "$$ $*" >>"$here/started"
. "$here/does"
"""
FRAME = r"printf 'P6\n2 2\n255\n'; printf '\000\001\002\000\001\002\000\001\002\000\001\002'"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("in-its-place") / "ffmpeg"
    made.write_text(SCRIPT)
    made.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def watching(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return built(
        tmp_path_factory.mktemp("watching"),
        source={"kind": "ffmpeg", "input_file": "url", "program": str(script), "fps": 2.5, "silent_s": 1},
    )


@pytest.fixture
def box(watching: Tiny, script: Path, tmp_path: Path) -> Iterator[Box]:
    made = Box(watching, tmp_path / "data")
    made.data.mkdir()
    (made.data / "url").write_text(SECRET + "\n")
    (script.parent / "started").unlink(missing_ok=True)
    yield made
    assert made.process is not None
    made.process.kill()
    made.process.wait()


def begin(box: Box, script: Path, does: str) -> None:
    (script.parent / "does").write_text(does + "\n")
    box.start()
    box.until(box.runs, "a status")


def log(box: Box) -> str:
    return (box.data / "log").read_text()


def test_its_words_are_those_and_its_pictures_are_answered(box: Box, script: Path) -> None:
    begin(box, script, f"{FRAME}; {FRAME}; exec sleep 60")
    box.until(lambda: len(box.lines()) == 2, "two answers")
    assert [line["file"] for line in box.lines()] == ["1", "2"]
    words = (script.parent / "started").read_text().splitlines()[0].split(" ", 1)[1]
    assert words == (
        f"-hide_banner -nostdin -loglevel error -rtsp_transport tcp -i {SECRET} -an -sn -dn -vf fps=2.5 "
        "-f image2pipe -c:v ppm -pix_fmt rgb24 pipe:1"
    )
    assert box.stop() == 0
    pid = int((script.parent / "started").read_text().splitlines()[-1].split()[0])
    assert not Path(f"/proc/{pid}").exists(), "it is ended with the program"


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("head -c 100000 /dev/zero; exec sleep 60", "it sends no pictures"),
        ("echo P6; echo 99999 99999; echo 255; exec sleep 60", "pixels"),
        ("echo P6; echo -1 2; echo 255; exec sleep 60", "it sends no pictures"),
        ("printf 'P6\\n2'; exec sleep 60", "nothing has come for 1 s"),
        ("exec sleep 60", "nothing has come for 1 s"),
        ("exec >&-; exec sleep 60", "it ended with 137"),
        ("echo it broke >&2; exit 3", "it ended with 3: it broke"),
        ("kill -SEGV $$", "it ended with 139"),
        ("exit 0", "the stream has ended"),
        ('echo "$*: 401 for admin:pa55word, pa55word" >&2; exit 1', "it ended with 1: "),
        ("yes noise 2>/dev/null | head -c 3000000 >&2; exit 1", "it ended with 1: noise"),
    ],
)
def test_whatever_it_does_is_told_without_the_secret_and_it_is_begun_again(
    box: Box, script: Path, does: str, words: str
) -> None:
    begin(box, script, f'[ $(wc -l <"$here/started") -gt 1 ] && {{ {FRAME}; exec sleep 60; }}\n{does}')
    box.until(box.lines, "an answer of the second one")
    assert words in log(box)
    told = log(box) + (box.data / "status.json").read_text() + json.dumps(box.lines())
    assert "pa55word" not in told
    assert "192.0.2.7" not in told
    assert box.stop() == 0


def test_it_does_not_outlive_a_program_that_is_killed(box: Box, script: Path) -> None:
    begin(box, script, f"{FRAME}; exec sleep 300")
    box.until(box.lines, "an answer")
    pid = int((script.parent / "started").read_text().split()[0])
    assert Path(f"/proc/{pid}").exists()
    assert box.process is not None
    box.process.kill()
    box.process.wait()
    box.until(lambda: _ended(pid), "its end")


def _ended(pid: int) -> bool:
    """Gone, or waiting for whoever adopted it to see that it is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_what_is_not_there_is_named(box: Box, script: Path) -> None:
    (box.data / "url").unlink()
    begin(box, script, FRAME)
    box.until(lambda: "data/url: No such file" in log(box), "the file's name")
    (box.data / "url").write_text("x\n")
    hidden = script.with_name("hidden")
    script.rename(hidden)
    try:
        box.until(lambda: f"there is no {script} on this box" in log(box), "the program's name")
    finally:
        hidden.rename(script)
    box.until(box.lines, "an answer")
