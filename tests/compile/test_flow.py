"""The engine: a project's own source, several sinks, queues, the pace, the watchdog."""

from __future__ import annotations

import dataclasses
import http.client
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.compile.flow import FlowSpec
from edgepack.compile.render import ProgramSpec
from edgepack.tools.runner import Completed, command, run
from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.test_program_run import Box

pytestmark = pytest.mark.slow

# A source as a camera's SDK needs one: it gives pictures at its own pace, whether somebody is ready or not.
# What it is to do stands in data/plan: how many, how many milliseconds apart, and the value of their pixels.
CAMERA = """\
#include <edgepack/source.h>

#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace camera {

class Camera : public edgepack::Source {
 public:
  explicit Camera(const std::string& data) : fates_(data + "/fates", std::ios::app) {
    std::ifstream(data + "/plan") >> count_ >> apart_ >> value_;
  }

  std::optional<edgepack::Picture> next(std::chrono::milliseconds patience) override {
    if (value_ < 0) {
      value_ = 1;
      throw std::runtime_error("the camera is not there");
    }
    if (given_ == count_) {
      std::this_thread::sleep_for(patience);
      return std::nullopt;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(apart_));
    edgepack::Picture picture;
    picture.name = std::to_string(++given_);
    picture.pixels = [value = value_] { return edgepack::Tensor{{3, 2, 2}, std::vector<float>(12, value)}; };
    return picture;
  }

  std::string settled(const edgepack::Picture& picture, edgepack::Fate fate,
                      const std::string& why) override {
    const char* const names[] = {"answered", "refused", "dropped", "left"};
    const std::lock_guard<std::mutex> lock(mutex_);
    fates_ << picture.name << ' ' << names[static_cast<int>(fate)] << ' ' << why << std::endl;
    return "";
  }

  std::string about() const override { return "a camera"; }

 private:
  std::ofstream fates_;
  std::mutex mutex_;
  int count_ = 0, apart_ = 0, given_ = 0;
  float value_ = 0;
};

std::unique_ptr<edgepack::Source> make(const std::string& data) { return std::make_unique<Camera>(data); }

}  // namespace camera
"""

SLOW = """\
#include <edgepack/edgepack.h>

#include <chrono>
#include <thread>

namespace mine {

// The pixels say for how many hundredths of a second it works.
edgepack::Tensor gray(const edgepack::Tensor& image) {
  std::this_thread::sleep_for(std::chrono::milliseconds(static_cast<int>(image.data.at(0)) * 10));
  const std::size_t plane = image.data.size() / 3;
  const auto begin = image.data.begin();
  return {{1, image.shape[1], image.shape[2]}, {begin, begin + static_cast<long>(plane)}};
}

}  // namespace mine
"""

SINKS = ("a.jsonl", "deep.jsonl")
OWN = FlowSpec("", SINKS, "src/camera.cpp", "camera::make", depth=2, drop_oldest=True, stuck_s=1)


@dataclasses.dataclass
class Flowing:
    """A project whose flow can be another one: only flow.cpp is compiled anew then."""

    project: Path
    work: Path

    def with_flow(self, flow: FlowSpec) -> Tiny:
        spec: ProgramSpec = dataclasses.replace(tiny.SPEC, flow=flow)
        return Tiny(self.project, self.work, self.work / "release", tiny.build(self.project, self.work, spec))


@pytest.fixture(scope="module")
def flowing(tmp_path_factory: pytest.TempPathFactory) -> Flowing:
    folder = tmp_path_factory.mktemp("flow")
    project = tiny.write_project(folder / "project")
    (project / "src" / "pre.cpp").write_text(SLOW)
    (project / "src" / "camera.cpp").write_text(CAMERA)
    tiny.write_model(folder / "work" / "release", tiny.weights())
    return Flowing(project, folder / "work")


@pytest.fixture(scope="module")
def own(flowing: Flowing) -> Tiny:
    return flowing.with_flow(OWN)


@pytest.fixture
def started(own: Tiny, tmp_path: Path) -> Iterator[Callable[[str], Box]]:
    boxes = []

    def start(plan: str) -> Box:
        box = Box(own, tmp_path / "data")
        box.inbox.mkdir(parents=True)
        (box.data / "plan").write_text(plan)
        boxes.append(box)
        box.start()
        return box

    yield start
    for box in boxes:
        assert box.process is not None
        box.process.kill()
        box.process.wait()


def fates(box: Box) -> dict[str, str]:
    """Picture → its fate; no picture has two."""
    file = box.data / "fates"
    rows = [line.split(" ", 2) for line in file.read_text().splitlines()] if file.exists() else []
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1] for row in rows}


def answers(box: Box, sink: str = SINKS[0]) -> list[int]:
    file = box.data / sink
    return [int(json.loads(line)["file"]) for line in file.read_text().splitlines()] if file.exists() else []


def stages(box: Box) -> dict[str, Any]:
    return {row["stage"]: row for row in box.status().get("stages", [])}


def test_a_projects_own_source_fills_every_sink_in_order(started: Callable[[str], Box]) -> None:
    box = started("30 5 0")
    box.until(lambda: len(fates(box)) == 30, "thirty fates")
    assert set(fates(box).values()) == {"answered"}
    assert answers(box) == answers(box, SINKS[1]) == list(range(1, 31))
    assert box.stop() == 0
    assert "images from a camera, answers to a.jsonl, deep.jsonl" in (box.data / "log").read_text()


def test_who_is_too_slow_gets_the_newest_pictures_and_is_named(started: Callable[[str], Box]) -> None:
    box = started("150 10 6")
    box.until(lambda: stages(box).get("pre", {}).get("ms", 0) > 50, "a stage that takes 60 ms")
    told = stages(box)
    assert list(told) == ["decode", "pre", "model", "post", "sink"]
    assert max(told.values(), key=lambda row: float(row["busy"]))["stage"] == "pre"
    assert told["decode"]["depth"] == 2
    box.until(lambda: len(fates(box)) == 150, "a fate for each")
    assert box.stop() == 0
    reached = answers(box)
    assert reached == sorted(reached)
    assert 10 < len(reached) < 60
    found = list(fates(box).values())
    assert (found.count("answered"), found.count("dropped")) == (len(reached), 150 - len(reached))
    assert box.status()["dropped"] == 150 - len(reached)
    assert reached[-1] == 150, "the newest one is never dropped"


def test_a_stage_that_comes_to_a_halt_ends_the_program(started: Callable[[str], Box]) -> None:
    box = started("3 1 60000")
    assert box.process is not None
    assert box.process.wait(15) == 14
    assert fates(box)["1"] == "refused"
    words = "1: pre has been at it for longer than 1 s; the program ends"
    assert words in (box.data / "log").read_text()
    assert box.status()["error"] == words


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_answers_what_is_on_its_way(
    started: Callable[[str], Box], sign: signal.Signals
) -> None:
    box = started("1000 5 5")
    box.until(lambda: len(answers(box)) > 3, "some answers")
    assert box.stop(sign) == 0
    found = fates(box)
    given = max(int(name) for name in found)
    assert sorted(map(int, found)) == list(range(1, given + 1))
    assert set(found.values()) <= {"answered", "dropped"}


def test_a_source_that_throws_is_told_and_asked_again(started: Callable[[str], Box]) -> None:
    box = started("2 1 -1")
    box.until(lambda: len(answers(box)) == 2, "answers after the trouble")
    assert box.stop() == 0
    assert box.status()["errors"] == 1
    assert "the camera is not there" in (box.data / "log").read_text()


def test_a_sink_that_fails_holds_all_back_and_none_gets_an_answer_twice(
    started: Callable[[str], Box],
) -> None:
    box = started("0 1 0")
    box.until(box.runs, "a status")
    assert box.stop() == 0
    (box.data / SINKS[1]).symlink_to("/dev/full")
    # As many as the first queue holds: none is dropped, however late its reader wakes.
    (box.data / "plan").write_text("2 1 0")
    box.start()
    box.until(lambda: "No space left" in box.status().get("error", ""), "the trouble told")
    (box.data / SINKS[1]).unlink()
    box.until(lambda: answers(box, SINKS[1]) != [], "an answer where there was no room")
    assert box.stop() == 0
    assert answers(box)[:1] == answers(box, SINKS[1])[:1] == [1]
    assert answers(box) == sorted(set(answers(box)))


@pytest.fixture(scope="module")
def paced(flowing: Flowing, own: Tiny) -> Tiny:
    assert own
    return flowing.with_flow(FlowSpec(fps=20))


def flat(value: int) -> bytes:
    return tiny.ppm(np.full((4, 4, 3), value, np.uint8))


def test_files_come_in_at_the_pace_that_is_asked_for(paced: Tiny, tmp_path: Path) -> None:
    box = Box(paced, tmp_path / "data")
    box.inbox.mkdir(parents=True)
    for n in range(11):
        box.put(f"{n:02}.ppm", flat(0))
    box.start()
    began = time.monotonic()
    box.until(lambda: len(box.lines()) == 11, "all")
    took = time.monotonic() - began
    assert box.stop() == 0
    assert took >= 0.5
    assert [line["file"] for line in box.lines()] == [f"{n:02}.ppm" for n in range(11)]


def test_a_file_that_takes_anothers_name_while_that_is_answered_is_answered_too(
    paced: Tiny, tmp_path: Path
) -> None:
    box = Box(paced, tmp_path / "data")
    box.inbox.mkdir(parents=True)
    box.put("a.ppm", flat(250))  # at work for 2.5 s, which a busy machine reaches too
    box.start()
    box.until(box.runs, "a status")
    time.sleep(1)
    box.put("a.ppm", flat(1))
    box.until(lambda: len(box.lines()) == 2, "both")
    box.until(lambda: not list(box.inbox.glob("*.ppm")), "an empty inbox")
    assert box.stop() == 0


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def measured(flowing: Flowing, paced: Tiny, port: int) -> Tiny:
    assert paced
    return flowing.with_flow(FlowSpec(metrics_address="127.0.0.1", metrics_port=port))


def asked(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_and_health_are_told_over_http(measured: Tiny, port: int, tmp_path: Path) -> None:
    box = Box(measured, tmp_path / "data")
    box.inbox.mkdir(parents=True)
    (box.data / "results.jsonl").symlink_to("/dev/full")
    box.put("a.ppm", flat(1))
    box.start()
    try:
        box.until(lambda: "No space left" in box.status().get("error", ""), "the trouble told")
        status, words = asked(port, "/healthz")
        assert status == 503
        assert "No space left" in words
        told = healthy(box)
        assert (told.returncode, "No space left" in told.text()) == (1, True)
        (box.data / "results.jsonl").unlink()
        box.until(box.lines, "an answer")
        box.until(lambda: asked(port, "/healthz") == (200, "ok\n"), "health")
        assert healthy(box).text() == ""
        box.put("junk.ppm", b"junk")
        box.until(lambda: "not a binary" in box.status().get("error", ""), "a refusal")
        assert asked(port, "/healthz")[0] == 200, "one bad picture is no illness"
        status, text = asked(port, "/metrics")
        assert status == 200
        rows = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert rows["edgepack_images_total"] == "1"
        assert int(rows["edgepack_errors_total"]) >= 2
        assert rows['edgepack_stage_images_total{stage="pre"}'] == "1"
        assert float(rows['edgepack_stage_seconds_total{stage="pre"}']) >= 0.01
        assert rows['edgepack_stage_depth{stage="decode"}'] == "4"
        families = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")}
        assert {name.partition("{")[0] for name in rows} == families
        assert asked(port, "/other")[0] == 404
    finally:
        assert box.stop() == 0
    told = healthy(box)
    assert (told.returncode, f"127.0.0.1 port {port}: Connection refused" in told.text()) == (1, True)


def healthy(box: Box) -> Completed:
    """What the program says of the one that runs, as a health gate or a container asks it."""
    return run(command(box.program.program, "health", "--metrics", "--data", box.data))


def test_a_port_that_is_taken_is_told(measured: Tiny, port: int, tmp_path: Path) -> None:
    box = Box(measured, tmp_path / "data")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        box.start()
        assert box.process is not None
        assert box.process.wait(20) == 1
    assert str(port) in (box.data / "log").read_text()
