"""Answers into a real MQTT broker and a real Redis server: with passwords, and through their restarts."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.talking import built, free_port, posted
from tests.compile.test_program_run import Box

PASSWORD = "not for the log"


@dataclass
class Server:
    """A daemon of Debian's, that can be ended and started again."""

    argv: list[str]
    asked: list[str]  # ends with 0 when it answers
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while subprocess.run(self.asked, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < deadline, f"{self.argv[0]} does not answer"
            time.sleep(0.1)

    def end(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class Site:
    mqtt: int
    redis: int
    source: int
    folder: Path
    broker: Server
    server: Server

    def redis_says(self, *words: str) -> str:
        argv = ["redis-cli", "--no-auth-warning", "-a", PASSWORD, "-p", str(self.redis), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def listening(self, topic: str, count: int) -> subprocess.Popen[str]:
        argv = ["mosquitto_sub", "-p", str(self.mqtt), "-u", "box", "-P", PASSWORD, "-t", topic, "-q", "1"]
        argv += ["-i", topic, "-c", "-C", str(count), "-W", "60"]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("brokers")
    mqtt, redis = free_port(), free_port()
    users = folder / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "box", PASSWORD], check=True)
    folder.chmod(0o755)
    users.chmod(0o644)
    (folder / "mosquitto.conf").write_text(
        f"listener {mqtt} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nuser root\n"
        f"persistence true\npersistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
    )
    about = ["mosquitto_pub", "-p", str(mqtt), "-u", "box", "-P", PASSWORD, "-t", "up", "-m", "x"]
    broker = Server(["mosquitto", "-c", str(folder / "mosquitto.conf")], about)
    words = ["--port", str(redis), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--appendonly", "yes"]
    words += ["--appendfsync", "always", "--dir", str(folder)]
    ping = ["redis-cli", "--no-auth-warning", "-a", PASSWORD, "-p", str(redis), "-e", "ping"]
    server = Server(["redis-server", *words], ping)
    broker.start()
    server.start()
    yield Site(mqtt, redis, free_port(), folder, broker, server)
    broker.end()
    server.end()


@pytest.fixture(scope="module")
def program(site: Site) -> Tiny:
    broker = {"kind": "mqtt", "host": "127.0.0.1", "port": site.mqtt, "user": "box", "password_file": "pw"}
    redis = {"kind": "redis", "host": "127.0.0.1", "port": site.redis, "password_file": "pw", "timeout_s": 2}
    return built(
        site.folder / "build",
        source={"kind": "http", "port": site.source},
        sink=[
            {**broker, "topic": "confirmed", "keepalive_s": 2, "timeout_s": 2},
            {**broker, "topic": "quick", "qos": 0, "timeout_s": 2},
            {**redis, "key": "stream", "most": 1000},
            {**redis, "key": "list", "command": "rpush", "most": 8},
            {**redis, "key": "channel", "command": "publish"},
        ],
    )


@pytest.fixture
def box(program: Tiny, tmp_path: Path, site: Site) -> Iterator[Box]:
    made = Box(program, tmp_path / "data")
    made.data.mkdir()
    (made.data / "pw").write_text(PASSWORD + "\n")
    site.redis_says("FLUSHALL")
    made.start()
    made.until(made.runs, "a status")
    yield made
    assert made.process is not None
    made.process.kill()
    made.process.wait()


def ask(site: Site, *names: str) -> None:
    image = tiny.ppm(np.zeros((4, 4, 3), np.uint8))
    for name in names:
        assert posted(site.source, image, {"X-Name": name})[0] == 200


def waiting(box: Box) -> list[int]:
    return [row["waiting"] for row in box.status().get("sinks", [])]


def delivered(box: Box, count: int) -> bool:
    """Whether each sink says that so many have arrived since this process began."""
    return box.runs() and [row["sent"] for row in box.status().get("sinks", [])] == [count] * 5


def streamed(site: Site) -> list[str]:
    rows: list[Any] = json.loads(site.redis_says("--json", "XRANGE", "stream", "-", "+"))
    return [json.loads(fields[1])["file"] for _, fields in rows]


def listed(site: Site) -> list[str]:
    rows: list[str] = json.loads(site.redis_says("--json", "LRANGE", "list", "0", "-1"))
    return [json.loads(row)["file"] for row in rows]


def test_answers_arrive_in_their_order_in_each_of_them(box: Box, site: Site) -> None:
    names = [f"n{n:02}" for n in range(12)]
    with site.listening("confirmed", 12) as listener, site.listening("quick", 12):
        time.sleep(1)  # a subscription has no other sign; who is late is told by the count
        ask(site, *names)
        box.until(lambda: delivered(box, 12), "all delivered")
        said = listener.communicate(timeout=90)[0]
    assert [json.loads(line)["file"] for line in said.splitlines()] == names
    assert streamed(site) == names
    assert listed(site) == names[-8:]
    assert PASSWORD not in (box.data / "log").read_text() + (box.data / "status.json").read_text()


def test_what_comes_while_they_are_away_arrives_when_they_are_back(box: Box, site: Site) -> None:
    ask(site, "before")
    box.until(lambda: delivered(box, 1), "the first one")
    site.broker.end()
    site.server.end()
    ask(site, "while-1", "while-2")
    box.until(lambda: waiting(box) == [2] * 5, "two in each of five")
    assert box.process is not None
    box.process.kill()
    box.process.wait()
    site.broker.start()
    site.server.start()
    box.start()
    box.until(lambda: delivered(box, 2), "all delivered")
    assert streamed(site) == ["before", "while-1", "while-2"]
    assert listed(site) == ["before", "while-1", "while-2"]


def test_a_connection_is_kept_while_nothing_is_said(box: Box, site: Site) -> None:
    ask(site, "one")
    box.until(lambda: delivered(box, 1), "the first one")
    time.sleep(5)  # twice what a broker waits for a client of keepalive_s: 2
    ask(site, "two")
    box.until(lambda: delivered(box, 2), "the second one")
    assert "closed" not in (box.data / "log").read_text()


@pytest.mark.parametrize("wrong", ["another\n", "\n"])
def test_a_wrong_password_is_told_and_a_right_one_mends_it(box: Box, site: Site, wrong: str) -> None:
    (box.data / "pw").write_text(wrong)
    ask(site, "one")
    box.until(
        lambda: len([r for r in box.status().get("sinks", []) if r.get("trouble")]) == 5, "trouble in each"
    )
    log = (box.data / "log").read_text()
    assert ("this user may not connect" in log and "WRONGPASS" in log) if wrong.strip() else "is empty" in log
    (box.data / "pw").write_text(PASSWORD + "\n")
    box.until(lambda: delivered(box, 1), "all delivered")
    assert streamed(site) == ["one"]


def test_a_key_of_another_type_is_told_in_redis_own_words(box: Box, site: Site) -> None:
    site.redis_says("SET", "stream", "no stream")
    ask(site, "one")
    box.until(lambda: "WRONGTYPE" in (box.data / "log").read_text(), "Redis' words")
    site.redis_says("DEL", "stream")
    box.until(lambda: delivered(box, 1), "delivered")
    assert streamed(site) == ["one"]
