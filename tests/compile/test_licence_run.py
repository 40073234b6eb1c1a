"""The program with a licence, without one, and with one that ends or is renewed while it runs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.flow import FlowSpec
from edgepack.compile.library import build_library
from edgepack.compile.program import build_program
from edgepack.compile.toolchains.select import toolchain
from edgepack.ship.licence import Terms, sign
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.box.boxsh import BoxSh
from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny
from tests.compile.test_program_run import Box, image
from tests.licences import APP, DAY, ISSUER, OTHER, STRANGER, changed

pytestmark = pytest.mark.slow

ENDED = 15
_SET = 'record.set("sure", *best > 0.5f);'
_ASK = 'record.set("counting", edgepack::licensed("counting"));'


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def licensed(tmp_path_factory: pytest.TempPathFactory, port: int) -> Tiny:
    """The small program, with the key of who issues its licences; its own code asks for a feature."""
    folder = tmp_path_factory.mktemp("licensed")
    project, work = tiny.write_project(folder / "my project"), folder / "work"
    post = project / "src" / "post.cpp"
    assert tiny.POST.count(_SET) == 1
    post.write_text("#include <edgepack/licence.h>\n" + tiny.POST.replace(_SET, _SET + _ASK))
    sodium = build_library(LibrarySpec("libsodium", host_arch()), folder / "log", lambda _line: None)
    flow = FlowSpec(metrics_address="127.0.0.1", metrics_port=port)
    built = build_program(
        replace(tiny.SPEC, licence_keys=(ISSUER.key,), flow=flow),
        project=project,
        build=work / "build",
        toolchain=toolchain("zig", host_arch()),
        runtime=tiny.runtime(),
        dest=work / "release" / "bin",
        log=work / "log.txt",
        libraries=(sodium,),
    )
    release, known = work / "release", tiny.weights()
    tiny.write_model(release, known)
    tiny.write_golden(release / "golden", tiny.computed(tiny.images(5), known))
    return Tiny(project, work, release, built)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What tells this machine from others, as the script on a box says it."""
    said = BoxSh(tmp_path_factory.mktemp("probe") / "root")("probe", APP)
    found = [line.split()[1:] for line in said if line.startswith("device ")]
    assert found, "this machine has neither a machine-id nor a card of its own"
    return found[0][0], found[0][1]


@pytest.fixture
def box(licensed: Tiny, tmp_path: Path) -> Iterator[Box]:
    made = Box(licensed, tmp_path / "data")
    made.inbox.mkdir(parents=True)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def terms(device: tuple[str, str], days: int = 90, **more: Any) -> Terms:
    """A licence that ends in so many days."""
    today = dt.datetime.now(dt.UTC).date()
    known = Terms(
        app=APP,
        node="box-07",
        device=device,
        first=today - dt.timedelta(400),
        last=today + dt.timedelta(days),
        grace_days=14,
        features=("counting",),
        issued=int(time.time()) - 400 * DAY,
    )
    return dataclasses.replace(known, **more)


Made = Callable[[tuple[str, str]], bytes | None]
TOMORROW = dt.datetime.now(dt.UTC).date() + dt.timedelta(2)

# What lies there as the licence; the state that is told, and a part of the words.
REFUSED: dict[str, tuple[Made, str, str]] = {
    "none": (lambda _: None, "missing", "there is no licence: "),
    "empty": (lambda _: b"", "missing", "there is no licence: "),
    "ended": (lambda here: sign(terms(here, -20), ISSUER), "ended", "the licence of box-07 ended on "),
    "not yet": (
        lambda here: sign(terms(here, first=TOMORROW), ISSUER),
        "early",
        "the licence of box-07 begins on ",
    ),
    "another box's": (lambda _: sign(terms(OTHER), ISSUER), "device", "the licence is for another box: "),
    "another app's": (lambda here: sign(terms(here, app="x"), ISSUER), "app", "the licence is for x, "),
    "a stranger's": (lambda here: sign(terms(here), STRANGER), "forged", "the licence is not as one of "),
    "changed": (lambda _: changed(b"grace 14", b"grace 15"), "forged", "the licence is not as one of "),
    "too long": (lambda _: b"edgepack-licence 1\n" * 1000, "damaged", "the licence cannot be read: "),
    "a folder": (lambda _: None, "damaged", "the licence cannot be read: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_without_one_that_holds_it_does_not_run(box: Box, here: tuple[str, str], name: str) -> None:
    make, state, words = REFUSED[name]
    text = make(here)
    if text is not None:
        (box.data / "licence").write_bytes(text)
    if name == "a folder":
        (box.data / "licence").mkdir()
    box.put("a.ppm", image())
    box.start()
    assert box.process is not None
    assert box.process.wait(60) == ENDED
    said = box.status()["licence"]
    assert said["state"] == state
    assert said["words"].startswith(words)
    assert words in (box.data / "log").read_text()
    assert box.lines() == []


def metrics(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def bring(box: Box, text: bytes) -> None:
    """As the script does: whole, by a rename."""
    (box.data / ".licence.new").write_bytes(text)
    (box.data / ".licence.new").rename(box.data / "licence")


def test_it_runs_on_in_grace_and_takes_a_new_one_without_a_restart(
    box: Box, here: tuple[str, str], port: int
) -> None:
    bring(box, sign(terms(here, -3, features=()), ISSUER))
    box.put("a.ppm", image())
    box.start()
    box.until(lambda: len(box.lines()) == 1, "an answer in grace time")
    assert box.lines()[0]["counting"] is False
    said = box.status()["licence"]
    assert said["state"] == "grace"
    assert -4 * DAY < said["left_s"] < -2 * DAY
    assert "without a new one the program stops after" in (box.data / "log").read_text()
    assert 'edgepack_licence{state="grace"} 1' in metrics(port)

    pid = box.status()["pid"]
    bring(box, sign(terms(here), ISSUER))
    box.until(lambda: box.status()["licence"]["state"] == "valid", "the new licence taken")
    box.put("b.ppm", image())
    box.until(lambda: len(box.lines()) == 2, "an answer with the new one")
    assert box.lines()[1]["counting"] is True
    assert box.status()["pid"] == pid
    line = next(line for line in metrics(port).splitlines() if line.startswith("edgepack_licence_left"))
    assert 89 * DAY < float(line.split()[1]) < 92 * DAY

    (box.data / "licence").unlink()
    assert box.process is not None
    assert box.process.wait(60) == ENDED
    assert "there is no licence" in (box.data / "log").read_text()


def test_who_sets_the_clock_back_gains_nothing(box: Box, here: tuple[str, str]) -> None:
    known = terms(here, 10)
    bring(box, sign(known, ISSUER))
    later = int(time.time()) + 40 * DAY
    (box.data / "licence.clock").write_text(f"{later} {known.issued}\n")
    box.start()
    assert box.process is not None
    assert box.process.wait(60) == ENDED
    said = box.status()["licence"]
    assert said["state"] == "ended"
    day = dt.datetime.fromtimestamp(later, dt.UTC).date()
    assert said["words"].endswith(f"; the box's clock was set back: it is taken for {day}")
    # A licence that was issued since is the way out.
    bring(box, sign(dataclasses.replace(known, issued=int(time.time())), ISSUER))
    box.start()
    box.until(box.runs, "a status")
    assert box.stop() == 0
    assert int((box.data / "licence.clock").read_text().split()[0]) < later


def test_golden_vectors_need_none_and_answers_on_the_command_line_do(
    licensed: Tiny, here: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.ppm").write_bytes(image())
    data = tmp_path / "data"
    data.mkdir()
    release = ("--release", str(licensed.release))
    assert run(command(licensed.program, *release, "verify")).ok
    asked = command(licensed.program, *release, "infer", "--data", data, tmp_path / "a.ppm")
    without = run(command(licensed.program, *release, "infer", tmp_path / "a.ppm"))
    assert (without.returncode, "the licence is in it" in without.text()) == (2, True)
    refused = run(asked)
    assert (refused.returncode, refused.stdout) == (ENDED, b"")
    assert b"there is no licence" in refused.stderr
    (data / "licence").write_bytes(sign(terms(here), ISSUER))
    answered = run(asked)
    assert answered.ok
    assert b'"counting":true' in answered.stdout
