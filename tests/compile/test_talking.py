"""Images by POST, answers handed on: to peers that are there, that are not, and that are rude."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.talking import built, free_port, posted, request_of, rude
from tests.compile.test_program_run import Box

pytestmark = pytest.mark.slow

Peer = Callable[[socket.socket], None]
KEEP = 1 << 20
DOUBTS: dict[str, Any] = {"field": "confidence", "below": 0.6}
ALARMS: dict[str, Any] = {"field": "sure", "before": 2, "after": 1}


@dataclass
class Ports:
    source: int
    http: int
    mqtt: int
    redis: int


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports(free_port(), free_port(), free_port(), free_port())


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> Tiny:
    here = "127.0.0.1"
    url = f"http://{here}:{ports.http}/answers?k=1"
    return built(
        tmp_path_factory.mktemp("talking"),
        source={"kind": "http", "port": ports.source, "most_mb": 1, "waiting": 2},
        queue={"depth": 1},
        sink=[
            {"kind": "http", "url": url, "token_file": "token", "timeout_s": 0.7, "most_lines": 5},
            {"kind": "mqtt", "host": here, "port": ports.mqtt, "topic": "t/{host}", "timeout_s": 0.7},
            {"kind": "redis", "host": here, "port": ports.redis, "key": "answers", "timeout_s": 0.7},
            {
                "kind": "samples",
                "keep_mb": 1,
                "when": {"low": {"field": "chances", "below": -1}, "every": 2},
            },
            {"kind": "pictures", "keep_mb": 1, "show": ["class", "name"]},
            {"kind": "samples", "path": "doubts", "keep_mb": 1, "when": {"low": DOUBTS}},
            {"kind": "samples", "path": "alarms", "keep_mb": 1, "when": {"alarm": ALARMS}},
        ],
    )


@pytest.fixture
def box(talking: Tiny, ports: Ports, tmp_path: Path) -> Iterator[Box]:
    made = Box(talking, tmp_path / "data")
    made.data.mkdir()
    (made.data / "token").write_text("a-secret\n")
    made.start()
    made.until(lambda: listens(ports.source), "a listener")
    yield made
    assert made.process is not None
    made.process.kill()
    made.process.wait()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def sink(box: Box, kind: str) -> dict[str, Any]:
    """What status.json says of the sink."""
    rows = box.status().get("sinks", [])
    return next((row for row in rows if row["to"].startswith(kind)), {})


def picture(value: int = 0, size: int = 4) -> bytes:
    return tiny.ppm(np.full((size, size, 3), value, np.uint8))


# ---- images by POST


def test_who_posts_an_image_gets_its_record(box: Box, ports: Ports) -> None:
    status, said, _ = posted(ports.source, picture(), {"X-Name": "door 7"})
    assert status == 200
    assert said["file"] == "door 7"
    assert len(said["chances"]) == 3
    status, said, _ = posted(ports.source, picture())
    assert (status, said["file"]) == (200, "http-1")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"junk", 422, "not a binary PGM or PPM"),
        (b"", 400, "there is no image in it"),
        (b"P6\n4 4\n255\n", 422, "cut off"),
        (bytes(2 << 20), 413, "body"),
    ],
)
def test_what_is_no_image_is_refused_in_words(
    box: Box, ports: Ports, body: bytes, status: int, words: str
) -> None:
    found, said, _ = posted(ports.source, body)
    assert found == status
    assert words in said["error"]
    assert posted(ports.source, picture())[0] == 200


def test_more_than_may_wait_are_asked_to_come_again(box: Box, ports: Ports) -> None:
    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(lambda _: posted(ports.source, picture(30)), range(24)))
    statuses = [status for status, _, _ in found]
    assert set(statuses) == {200, 503}
    assert 3 <= statuses.count(200) <= 16
    assert all(headers["Retry-After"] == "1" for status, _, headers in found if status == 503)
    assert posted(ports.source, picture())[0] == 200


def test_told_to_stop_it_leaves_nobody_without_an_answer(box: Box, ports: Ports) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(posted, ports.source, picture(20)) for _ in range(8)]
        box.until(lambda: box.status().get("frames", 0) > 0, "a first answer")
        assert box.stop() == 0
        assert {one.result()[0] for one in asked} <= {200, 503}


def test_junk_on_its_port_ends_nothing(box: Box, ports: Ports) -> None:
    dice = random.Random(7)
    for _ in range(60):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports.source), 5) as peer:
            peer.sendall(
                dice.choice([b"", b"POST / HTTP/1.1\r\n", b"GET"]) + dice.randbytes(dice.randint(0, 400))
            )
    assert posted(ports.source, picture())[0] == 200


# ---- answers handed on


def taking(into: list[str], status: str = "200 OK") -> Peer:
    """An HTTP server that takes everything."""

    def serve(connection: socket.socket) -> None:
        while True:
            head, body = request_of(connection)
            assert "Authorization: Bearer a-secret\r\n" in head
            assert head.startswith("POST /answers?k=1 HTTP/1.1\r\n")
            into.extend(json.loads(line)["file"] for line in body.decode().splitlines())
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode())

    return serve


def saying(words: bytes, then: float = 0) -> Peer:
    """One that says the same to everybody, and is silent for so many seconds before it goes."""

    def say(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(words)
        time.sleep(then)

    return say


def dribble(connection: socket.socket) -> None:
    """A byte now and then, for ever."""
    while True:
        connection.sendall(b"2")
        time.sleep(0.2)


# Whoever closes with something unread resets the connection, and TCP says so or the end first.
RUDE: dict[str, tuple[Peer, str]] = {
    "closes": (lambda connection: connection.close(), "closed the connection|Connection reset by peer"),
    "is silent": (lambda connection: time.sleep(30), "did not answer in time"),
    "dribbles": (dribble, "did not answer in time"),
    "junk": (saying(bytes(range(0x80, 0xC0)) + b"\n"), ": not a"),
    "endless": (saying(b"x" * 300_000), ": "),
}


@pytest.mark.parametrize("kind", ["http", "mqtt", "redis"])
@pytest.mark.parametrize("deed", RUDE)
def test_a_peer_that_is_rude_is_told_and_nothing_is_lost(
    box: Box, ports: Ports, kind: str, deed: str
) -> None:
    does, words = RUDE[deed]
    with rude(getattr(ports, kind), does):
        assert posted(ports.source, picture())[0] == 200
        box.until(lambda: re.search(words, sink(box, kind).get("trouble", "")), words)
        assert sink(box, kind)["waiting"] == 1
        assert posted(ports.source, picture())[0] == 200, "who asks does not wait for the peer"
    assert "a-secret" not in (box.data / "log").read_text() + (box.data / "status.json").read_text()
    assert box.stop() == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("503 Busy\r\nRetry-After: 1", "it answers 503 Busy"),
        ("404 Not Found", "it answers 404 Not Found"),
        ("301 Moved\r\nLocation: http://elsewhere/", "it answers 301 Moved"),
    ],
)
def test_what_a_server_does_not_take_waits_until_it_does(
    box: Box, ports: Ports, answer: str, words: str
) -> None:
    arrived: list[str] = []

    def refuse(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    with rude(ports.http, refuse, taking(arrived)):
        for name in "abc":
            assert posted(ports.source, picture(), {"X-Name": name})[0] == 200
        box.until(lambda: "c" in arrived, "all of them")
        assert arrived == ["a", "b", "c"]
        box.until(lambda: sink(box, "http").get("waiting") == 0, "none that waits")
    log = (box.data / "log").read_text()
    assert words in log
    assert "takes answers again" in log
    assert "?k=1" not in log


def test_what_waits_outlives_a_kill(box: Box, ports: Ports) -> None:
    names = [f"n{n:02}" for n in range(12)]
    for name in names:
        assert posted(ports.source, picture(), {"X-Name": name})[0] == 200
    assert box.process is not None
    box.process.kill()
    box.process.wait()
    arrived: list[str] = []
    with rude(ports.http, taking(arrived)):
        box.start()
        box.until(lambda: names[-1] in arrived, "all of them")
    assert arrived == names


def test_a_token_that_is_not_there_is_told_by_its_place(box: Box, ports: Ports) -> None:
    (box.data / "token").unlink()
    with rude(ports.http, lambda connection: time.sleep(5)):
        assert posted(ports.source, picture())[0] == 200
        box.until(lambda: "data/token" in sink(box, "http").get("trouble", ""), "the file's name")


# ---- folders that are bounded


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def held(folder: Path) -> int:
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in folder.iterdir())


def test_samples_are_the_pictures_themselves_with_their_records(box: Box, ports: Ports) -> None:
    sent = [picture(n, 8) for n in range(4)]
    for n, body in enumerate(sent):
        assert posted(ports.source, body, {"X-Name": f"p{n}"})[0] == 200
    box.until(lambda: len(files(box.data / "samples", "*.json")) == 2, "each second one")
    kept = files(box.data / "samples", "*.ppm")
    assert [file.read_bytes() for file in kept] == [sent[0], sent[2]]
    records = [json.loads(file.read_text())["file"] for file in files(box.data / "samples", "*.json")]
    assert records == ["p0", "p2"]


def around(alarms: Sequence[bool], before: int, after: int) -> list[int]:
    """Which of the pictures belong to an alarm: from ``before`` ones ahead of it to ``after`` beyond."""
    rises = [n for n, now in enumerate(alarms) if now and not (n and alarms[n - 1])]
    return [n for n in range(len(alarms)) if any(at - before <= n <= at + after for at in rises)]


def test_doubts_and_what_is_around_an_alarm_are_kept(box: Box, ports: Ports) -> None:
    chance = np.random.default_rng(3)
    said = []
    for n in range(24):
        pixels = chance.integers(0, 256, (4, 4, 3), np.uint8)
        status, record, _ = posted(ports.source, tiny.ppm(pixels), {"X-Name": f"p{n}"})
        assert status == 200
        said.append(record)
    doubts = [f"p{n}" for n, record in enumerate(said) if record["confidence"] < DOUBTS["below"]]
    alarms = [f"p{n}" for n in around([record["sure"] for record in said], 2, 1)]
    assert 0 < len(doubts) < 24
    assert 0 < len(alarms) < 24
    assert box.stop() == 0
    for folder, names in (("doubts", doubts), ("alarms", alarms)):
        kept = [json.loads(file.read_text())["file"] for file in files(box.data / folder, "*.json")]
        assert kept == names


def test_the_quota_holds_through_kills_and_the_newest_are_kept(box: Box, ports: Ports) -> None:
    large = picture(0, 300)  # 270 kB: three of them fit
    folders = [box.data / "samples", box.data / "pictures"]
    most = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.is_set():
            with contextlib.suppress(FileNotFoundError):
                most = max(most, *(held(folder) for folder in folders))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for n in range(18):
            assert posted(ports.source, large, {"X-Name": f"p{n}"})[0] == 200
            if n % 6 == 5:
                assert box.process is not None
                box.process.kill()
                box.process.wait()
                box.start()
                box.until(lambda: listens(ports.source), "a listener")
    finally:
        ended.set()
        watcher.join()
    assert KEEP // 2 < most <= KEEP
    assert box.stop() == 0
    assert 1 <= len(files(folders[0], "*.ppm")) <= 3
    numbers = [int(file.name[:9]) for file in files(folders[1], "*.ppm")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[-1] >= 16


def test_a_folder_that_cannot_be_written_holds_nobody_up(box: Box, ports: Ports) -> None:
    box.until((box.data / "pictures").is_dir, "the folder that it makes")
    (box.data / "pictures").rmdir()
    (box.data / "pictures").write_text("a file")
    assert posted(ports.source, picture())[0] == 200
    box.until(lambda: "pictures" in sink(box, "pictures").get("trouble", ""), "the trouble told")
    assert posted(ports.source, picture())[0] == 200
