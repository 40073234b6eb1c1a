from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.observe.status import (
    EMPTY,
    FAILING,
    NOT_ASKED,
    NOT_TRUSTED,
    RUNNING,
    STALE,
    STOPPED,
    UNREACHABLE,
    of,
    status,
)
from tests.releases import APP

R = "a" * 64
UP = f"program yes 7 {R} 100 0 -"
TOLD = 'status {"pid": 7, "frames": 3, "errors": 1, "fps": 2.5, "uptime_s": 9}'


@pytest.mark.parametrize(
    ("lines", "state", "why"),
    [
        ([], EMPTY, "nothing was deployed"),
        ([f"current {R}", "supervisor "], STOPPED, "nothing runs"),
        ([f"current {R}", "supervisor 5", f"program no 7 {R} 100 4 139"], FAILING, "ended with 139"),
        ([f"current {R}", "supervisor 5", UP], STALE, "has not said anything"),
        ([f"current {R}", "supervisor 5", UP, "status_age 60", TOLD], STALE, "for 60 s"),
        ([f"current {R}", "supervisor 5", UP, "status_age 1", "status {broken"], STALE, "has not said"),
        ([f"current {R}", "supervisor 5", UP, "status_age 1", TOLD], RUNNING, ""),
        (
            [f"current {R}", "supervisor 5", f"program yes 7 {R} 1 2 9", "status_age 0", TOLD],
            RUNNING,
            "2 times",
        ),
    ],
)
def test_the_state_follows_from_what_the_box_says(lines: list[str], state: str, why: str) -> None:
    now = of("box-07", APP, lines)
    assert now.state == state
    assert why in now.why
    assert now.running == (state == RUNNING)


def test_numbers_and_names() -> None:
    release = 'release {"version": "1.2.0", "target": "t", "source": {"path": "in"}, "sink": {"path": "out"}}'
    now = of(
        "box-07",
        APP,
        [
            *(f"current {R}", "previous " + "b" * 64, f"unconfirmed {R} - 12", "supervisor 5"),
            *(UP, "status_age 1", TOLD, release, "boots no", "lock t 100 since me@here:1"),
        ],
    )
    assert (now.version, now.target, now.source, now.sink) == ("1.2.0", "t", "in", "out")
    assert (now.frames, now.errors, now.fps, now.uptime_s) == (3, 1, 2.5, 9)
    assert (now.previous, now.unconfirmed_s, now.locked_by) == ("b" * 64, 12, "me@here:1")
    assert now.starts_at_boot is False
    assert now.as_dict()["running"] is True


STAGES = """[{"stage":"decode","ms":1.5,"busy":0.1,"waiting":0,"depth":4},
 {"stage":"model","ms":12.25,"busy":0.97,"waiting":2,"depth":2}, {"stage":"sink","ms":0,"busy":0}]"""


def test_the_stage_that_takes_most_is_named() -> None:
    told = f'status {{"frames":3,"dropped":7,"stages":{STAGES}}}'.replace("\n", "")
    now = of("box-07", APP, [f"current {R}", "supervisor 5", UP, "status_age 1", told])
    assert now.slowest is not None
    assert (now.slowest.stage, now.slowest.ms, now.slowest.busy, now.slowest.waiting) == (
        "model",
        12.25,
        0.97,
        2,
    )
    assert now.dropped == 7
    assert now.as_dict()["slowest"]["stage"] == "model"


@pytest.mark.parametrize(
    ("sinks", "words"),
    [
        ('[{"to":"a","waiting":0},{"to":"b","waiting":3,"trouble":"b: no"}]', "b: no; 3 answers wait"),
        ('[{"to":"b","waiting":0,"trouble":"b:\\u001b[31m"}]', "b:?[31m"),
        ('[{"to":"b","waiting":0}]', None),
        ('[7,{"trouble":7}]', None),
        ('{"trouble":"x"}', None),
    ],
)
def test_a_sink_that_cannot_hand_on_is_told(sinks: str, words: str | None) -> None:
    lines = [f"current {R}", "supervisor 5", UP, "status_age 1", f'status {{"sinks":{sinks}}}']
    assert of("box-07", APP, lines).undelivered == words


DAYS = 24 * 60 * 60
LONG = f'{{"state":"valid","left_s":{40 * DAYS},"words":"holds"}}'
SOON = f'{{"state":"valid","left_s":{20 * DAYS},"words":"holds"}}'
GRACE = f'{{"state":"grace","left_s":{-2 * DAYS},"words":"ended\\u001b[31m"}}'
SET_BACK = f'{{"state":"valid","left_s":{40 * DAYS},"words":"holds; the box\'s clock was set back"}}'


@pytest.mark.parametrize(
    ("said", "asked", "words"),
    [
        (LONG, "{}", None),
        (LONG, '{"warn_days": 60}', "holds"),
        (SOON, "{}", "holds"),
        (SOON, '{"warn_days": 10}', None),
        (GRACE, "{}", "ended?[31m"),
        (SET_BACK, "{}", "holds; the box's clock was set back"),
        ('{"state":"valid","words":7}', "7", None),
        ('{"state":"valid","left_s":"x","words":"odd"}', "[]", "odd"),
        ("[]", "{}", None),
    ],
)
def test_a_licence_that_ends_soon_is_told(said: str, asked: str, words: str | None) -> None:
    lines = [f"current {R}", "supervisor 5", UP, "status_age 1", f'status {{"licence":{said}}}']
    now = of("box-07", APP, [*lines, f'release {{"licence":{asked}}}'])
    assert (now.state, now.licence) == (RUNNING, words)


def test_a_program_that_does_not_run_for_want_of_a_licence_says_so() -> None:
    said = '{"state":"missing","left_s":0,"words":"there is no licence"}'
    down = [f"current {R}", "supervisor 5", f"program no 7 {R} 100 4 15", f'status {{"licence":{said}}}']
    assert of("box-07", APP, down).why.startswith("the program does not run: there is no licence, and is ")
    assert of("box-07", APP, down[:3]).why.startswith("the program ended with 15, and is ")


def test_a_program_that_cannot_open_its_model_says_so() -> None:
    down = [f"current {R}", "supervisor 5", f"program no 7 {R} 100 4 16"]
    words = "the program does not run: no key there opens its encrypted model, or that is damaged: "
    assert of("box-07", APP, down).why.startswith(words)


@pytest.mark.parametrize("stages", ["7", "[]", "[3]", '[{"stage":"x"}]', '[{"stage":1,"ms":"2","busy":0}]'])
def test_stages_that_make_no_sense_are_no_crash(stages: str) -> None:
    lines = [f"current {R}", "supervisor 5", UP, "status_age 1", f'status {{"stages":{stages}}}']
    assert of("box-07", APP, lines).slowest is None


@pytest.mark.parametrize(
    "line", ["status [1]", "release null", "program", "unconfirmed", "lock", "status_age x"]
)
def test_garbage_from_a_box_is_no_crash(line: str) -> None:
    now = of("box-07", APP, [f"current {R}", "supervisor 1", line])
    assert (now.release, now.running) == (R, False)


def test_a_box_that_is_off_is_a_state() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        now = status(Endpoint("box-07", "127.0.0.1", port=taken.getsockname()[1]), APP)
    assert (now.state, now.running) == (UNREACHABLE, False)
    assert "does not take the connection" in now.why


OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA7U4UjXXTIJlhcFMEeFn90SMFHDF6Djb1JThkSXASab"


@pytest.mark.parametrize(
    ("changes", "state", "why", "fix"),
    [
        ({"host_key": None}, NOT_TRUSTED, "nobody has vouched", "host_key: ssh-"),
        ({"host_key": OTHER_KEY}, NOT_TRUSTED, "has CHANGED", "find out which"),
        ({"identity": Path("/no/key")}, NOT_ASKED, "the private key is not there", "give the path"),
        ({"jump": "127.0.0.1:1"}, UNREACHABLE, "127.0.0.1:1 does not take the connection", "check"),
    ],
)
def test_whatever_keeps_a_box_from_answering_is_its_state(
    endpoint: Endpoint, changes: dict[str, Any], state: str, why: str, fix: str
) -> None:
    now = status(dataclasses.replace(endpoint, **changes), APP)
    assert (now.state, now.running) == (state, False)
    assert why in now.why
    assert fix in now.fix
    assert now.as_dict()["fix"] == now.fix


@pytest.mark.parametrize(("frames", "fps"), [("0", None), ("null", None), ("1", 2.5)])
def test_frames_a_second_are_none_before_the_first_frame(frames: str, fps: float | None) -> None:
    told = TOLD.replace('"frames": 3', f'"frames": {frames}')
    assert of("box-07", APP, [f"current {R}", "supervisor 5", UP, "status_age 1", told]).fps == fps


def test_a_box_nobody_deployed_to_stays_untouched(endpoint: Endpoint) -> None:
    assert status(endpoint, APP).state == EMPTY
