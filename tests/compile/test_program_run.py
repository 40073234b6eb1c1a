"""The app at work: one image one answer, whatever happens to the folder, the disk and the image."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0


class Box:
    """A data folder, and the program that runs on it."""

    def __init__(self, program: Tiny, data: Path) -> None:
        self.program, self.data = program, data
        self.inbox = data / "inbox"
        self.process: subprocess.Popen[bytes] | None = None
        self.user: int | None = None  # the program's, where it is not ours

    def start(self, *before: str) -> None:
        """``before``: what is put in front of the program's words."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        argv = [*before, str(self.program.program), "run", "--data", str(self.data)]
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, user=self.user)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(sign)
        return self.process.wait(PATIENCE_S)

    def put(self, name: str, content: bytes) -> None:
        """As who uses the inbox must: under a dot-name, then renamed."""
        (self.inbox / ".part").write_bytes(content)
        (self.inbox / ".part").rename(self.inbox / name)

    def lines(self) -> list[dict[str, Any]]:
        file = self.data / "results.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def status(self) -> dict[str, Any]:
        file = self.data / "status.json"
        known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return known

    def runs(self) -> bool:
        """Whether this process has come so far that it says so."""
        return self.process is not None and self.status().get("pid") == self.process.pid

    def until(self, reached: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < deadline, f"{what}: {self.status()} {(self.data / 'log').read_text()}"
            time.sleep(0.02)


@pytest.fixture
def box(program: Tiny, tmp_path: Path) -> Iterator[Box]:
    made = Box(program, tmp_path / "data")
    yield made
    if made.process is not None:
        with contextlib.suppress(ProcessLookupError):
            made.process.kill()
        made.process.wait()


def image(n: int = 0) -> bytes:
    return tiny.ppm(tiny.images(n + 1)[n])


def test_images_are_answered_in_order_and_leave_the_inbox(box: Box) -> None:
    box.inbox.mkdir(parents=True)
    for name in ("c.ppm", "a.ppm", "b.ppm"):
        box.put(name, image())
    box.start()
    box.until(lambda: len(box.lines()) == 3, "three answers")
    box.put("later.ppm", image(1))
    box.until(lambda: len(box.lines()) == 4, "a fourth")
    assert [line["file"] for line in box.lines()] == ["a.ppm", "b.ppm", "c.ppm", "later.ppm"]
    expected = tiny.computed(tiny.images(2), tiny.weights())["record.class"]
    assert [line["class"] for line in box.lines()] == [expected[0]] * 3 + [expected[1]]
    box.until(lambda: not list(box.inbox.iterdir()), "an empty inbox")
    assert box.stop() == 0
    assert {**box.status(), "fps": 0, "uptime_s": 0, "updated": 0} == {
        "pid": box.process.pid if box.process else 0,
        "release": "release",
        "frames": 4,
        "errors": 0,
        "fps": 0,
        "uptime_s": 0,
        "updated": 0,
    }
    assert box.status()["fps"] > 0
    assert abs(box.status()["updated"] - time.time()) < 60


def test_the_status_is_told_while_nothing_happens(box: Box) -> None:
    box.start()
    box.until(box.status, "a status")
    seen = set()
    box.until(lambda: seen.add(box.status()["uptime_s"]) or len(seen) > 2, "three of them")
    assert box.status()["fps"] > 0, "judged on an empty input before the first image"
    assert box.stop(signal.SIGINT) == 0


def test_health_is_told_by_the_age_of_the_status(box: Box) -> None:
    def health() -> subprocess.CompletedProcess[str]:
        argv = [box.program.program, "health", "--data", box.data]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    before = health()
    assert before.returncode == 1
    assert "status.json: No such file" in before.stderr
    box.start()
    box.until(box.status, "a status")
    assert health().returncode == 0
    assert box.stop() == 0
    for age in (60, -3600):  # nothing since; the clock was set back
        os.utime(box.data / "status.json", (time.time() - age,) * 2)
        assert health().returncode == 1


def test_what_is_no_image_is_put_aside_and_the_rest_goes_on(box: Box) -> None:
    box.start()
    box.until(box.inbox.is_dir, "an inbox")
    (box.inbox / "folder").mkdir()
    (box.inbox / "link.ppm").symlink_to("/etc/passwd")
    os.mkfifo(box.inbox / "pipe.ppm")
    (box.inbox / ".hidden.ppm").write_bytes(image())
    box.put("junk.ppm", b"junk")
    box.put("gray.pgm", tiny.ppm(np.zeros((4, 4), np.uint8)))
    box.put("seven.ppm", tiny.ppm(np.zeros((7, 1, 3), np.uint8)))
    box.put('n\xe4me "x".ppm', image())
    box.until(box.lines, "an answer")
    box.until(lambda: box.status().get("errors") == 3, "three refusals")
    rejected = box.inbox / ".rejected"
    assert sorted(path.name for path in rejected.iterdir()) == ["gray.pgm", "junk.ppm", "seven.ppm"]
    left = sorted(path.name for path in box.inbox.iterdir())
    assert left == [".hidden.ppm", ".rejected", "folder", "link.ppm", "pipe.ppm"]
    assert box.lines()[0]["file"] == 'näme "x".ppm'
    assert box.stop() == 0
    assert box.status()["frames"] == 1
    log = (box.data / "log").read_text()
    assert "pre: not a colour image" in log
    assert "not a std::exception" in log


def test_files_that_vanish_are_no_errors(box: Box) -> None:
    box.start()
    box.until(box.inbox.is_dir, "an inbox")
    for n in range(200):
        box.put(f"{n}.ppm", image())
        with contextlib.suppress(FileNotFoundError):
            (box.inbox / f"{n}.ppm").unlink()
    box.put("z-last.ppm", image())
    box.until(lambda: any(line["file"] == "z-last.ppm" for line in box.lines()), "the last")
    assert box.stop() == 0
    assert box.status()["errors"] == 0


def test_a_full_disk_loses_no_image_and_leaves_no_half_line(box: Box) -> None:
    """The limit on a file's size stands for the disk: the kernel writes as much of a line as fits."""
    box.inbox.mkdir(parents=True)
    for n in range(12):
        box.put(f"{n:02}.ppm", image())
    box.start("/bin/sh", "-c", 'trap "" XFSZ; ulimit -f 2; exec "$@"', "sh")
    box.until(lambda: "No space left" in box.status().get("error", ""), "the trouble told")
    assert box.process is not None
    assert box.process.poll() is None
    answered = {line["file"] for line in box.lines()}
    assert 0 < len(answered) < 12
    assert (box.data / "results.jsonl").read_bytes().endswith(b"\n")
    assert {path.name for path in box.inbox.iterdir()} == {f"{n:02}.ppm" for n in range(12)} - answered
    assert box.stop() == 0
    box.start()
    box.until(lambda: len(box.lines()) == 12, "the rest, once there is room")
    assert [line["file"] for line in box.lines()] == [f"{n:02}.ppm" for n in range(12)]
    assert box.stop() == 0


def test_a_device_without_room_is_told_and_nothing_is_removed(box: Box) -> None:
    box.inbox.mkdir(parents=True)
    (box.data / "results.jsonl").symlink_to("/dev/full")
    box.put("a.ppm", image())
    box.start()
    box.until(lambda: "No space left" in box.status().get("error", ""), "the trouble told")
    assert (box.inbox / "a.ppm").exists()
    assert box.status()["frames"] == 0
    (box.data / "results.jsonl").unlink()
    box.until(lambda: len(box.lines()) == 1, "an answer once there is room")
    box.until(lambda: "error" not in box.status(), "no trouble any more")
    assert box.stop() == 0


def test_a_line_torn_by_a_power_cut_is_taken_away(box: Box) -> None:
    box.inbox.mkdir(parents=True)
    (box.data / "results.jsonl").write_text('{"file":"old.ppm"}\n{"file":"torn.pp')
    box.put("a.ppm", image())
    box.start()
    box.until(lambda: (box.data / "results.jsonl").read_text().endswith("}\n"), "a whole line")
    assert [line["file"] for line in box.lines()] == ["old.ppm", "a.ppm"]
    assert box.stop() == 0


def test_a_rotated_file_is_left_and_a_new_one_made(box: Box) -> None:
    box.start()
    box.until(box.inbox.is_dir, "an inbox")
    box.put("a.ppm", image())
    box.until(box.lines, "an answer")
    (box.data / "results.jsonl").rename(box.data / "results.jsonl.1")
    box.put("b.ppm", image())
    box.until(box.lines, "an answer in the new file")
    assert [line["file"] for line in box.lines()] == ["b.ppm"]
    assert box.stop() == 0


def test_an_image_that_cannot_be_removed_is_answered_once(program: Tiny) -> None:
    nobody = 65534 if os.geteuid() == 0 else None  # root removes files from any folder
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)  # pytest's own folders are closed to others
        release = Path(temporary) / "release"
        shutil.copytree(program.release, release)
        built = dataclasses.replace(program.built, program=release / "bin/tiny")
        box = Box(dataclasses.replace(program, built=built), Path(temporary) / "data")
        box.inbox.mkdir(parents=True)
        box.put("a.ppm", image())
        box.put("junk.ppm", b"junk")
        if nobody is not None:
            os.chown(box.data, nobody, nobody)
        box.user = nobody
        box.inbox.chmod(0o555)
        box.start()
        try:
            box.until(lambda: box.status().get("errors") == 3, "one cannot be removed, one is bad and stays")
            time.sleep(1.5)
            assert [line["file"] for line in box.lines()] == ["a.ppm"]
            assert box.status()["errors"] == 3
            box.inbox.chmod(0o777)
            box.until(lambda: not list(box.inbox.glob("*.ppm")), "put away at last")
            assert [path.name for path in (box.inbox / ".rejected").iterdir()] == ["junk.ppm"]
            assert len(box.lines()) == 1
        finally:
            assert box.stop() == 0


def test_a_second_program_waits_for_the_first_to_drain(box: Box) -> None:
    box.start()
    box.until(box.status, "a status")
    first = box.process
    assert first is not None
    box.start()
    time.sleep(0.5)
    assert box.status()["pid"] == first.pid
    first.terminate()
    assert first.wait(PATIENCE_S) == 0
    box.until(box.runs, "the second one's status")
    assert box.stop() == 0


def test_many_images_one_answer_each_though_it_is_stopped_again_and_again(box: Box) -> None:
    box.inbox.mkdir(parents=True)
    names = [f"{n:03}.ppm" for n in range(60)]
    for name in names:
        box.put(name, image())
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        before = len(box.lines())
        box.start()
        box.until(lambda before=before: len(box.lines()) > before, "some")  # type: ignore[misc]
        assert box.stop(sign) == 0
        if len(box.lines()) == len(names):
            break
    box.start()
    box.until(lambda: not list(box.inbox.glob("*.ppm")) and box.runs(), "all")
    assert box.stop() == 0
    assert [line["file"] for line in box.lines()] == names


def test_no_model_no_run(box: Box, tmp_path: Path) -> None:
    box.inbox.mkdir(parents=True)
    argv = [box.program.program, "--release", tmp_path, "run", "--data", box.data]
    done = subprocess.run(argv, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 4
    assert "model.param: cannot be read" in done.stderr.decode()
