"""The rules of `post` against their twins, on drawn sequences; by hand; and what they refuse."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from edgepack_blocks import alarms, rules
from edgepack_blocks.boxes import Detection
from edgepack_blocks.geometry import Geometry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.blocks.words import many, place, refused, text
from tests.compile.program_driver import Driver

pytestmark = pytest.mark.slow
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

UNITS, ANCHORS = ("fraction", "pixels"), ("bottom", "center")
WHERE = Geometry(40, 60, 40, 60)
LOST = Geometry(0, 0, 0, 0)


@dataclass(frozen=True)
class Picture:
    """What a rule gets: its time, what was found, other fields."""

    found: Sequence[Detection] = ()
    seconds: float = 0.0
    utc: float = 0.0
    values: dict[str, float] = field(default_factory=dict)

    def words(self) -> str:
        rows = (
            " ".join(
                [
                    *(str(one.track), str(one.kind), *map(repr, map(float, (one.score, *one.sides)))),
                    text(one.name),
                ]
            )
            for one in self.found
        )
        values = many(f"{text(name)} {value!r}" for name, value in self.values.items())
        return f"{self.seconds!r} {self.utc!r} {many(rows)} {values}"


def asked(harness: Driver, *words: object, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """The fields that the rules have set, picture by picture."""
    said = harness.ask(*words, many(picture.words() for picture in pictures))
    assert isinstance(said, list), said
    given = {"count", "boxes", "names", "tracks", "value", "awake"}
    return [{name: value for name, value in record.items() if name not in given} for record in said]


def spot(unit: str, points: Sequence[tuple[float, float]], whom: rules.Whom = rules.EVERYONE) -> str:
    names = many(map(text, whom.classes))
    places = many(f"{float(x)!r} {float(y)!r}" for x, y in points)
    return f"{UNITS.index(unit)} {ANCHORS.index(whom.anchor)} {names} {places}"


# Few places, so that many points lie on sides and corners.
PIXEL = st.sampled_from([0.0, 5.0, 10.0, 20.0, 30.0, 40.0]) | st.floats(0, 60, width=32)
SHARE = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)
WHOM = st.builds(
    rules.Whom, st.sampled_from(ANCHORS), st.sampled_from([(), ("cat",), ("cat", "dog"), ("bird",)])
)
TIME_STEP = st.sampled_from([0.0, 0.5, 1.0, 2.0, -3.0, 100.0, math.nan]) | st.floats(0, 5)


def polygons(unit: str) -> st.SearchStrategy[list[tuple[float, float]]]:
    side = PIXEL if unit == "pixels" else SHARE
    return st.lists(st.tuples(side, side), min_size=3, max_size=7)


@st.composite
def detection(draw: st.DrawFn, track: int) -> Detection:
    x, y = draw(PIXEL), draw(PIXEL)
    sides = (x, y, np.float32(x + draw(PIXEL)), np.float32(y + draw(PIXEL)))
    kind = draw(st.integers(0, 1))
    return Detection(kind, 0.5, *map(float, sides), track, ("cat", "dog")[kind])


@st.composite
def sequences(draw: st.DrawFn) -> list[Picture]:
    """The same few things, some of them unseen for a while."""
    seconds, made = 1000.0, []
    for _ in range(draw(st.integers(1, 12))):
        step = draw(TIME_STEP)
        seconds += 0.0 if math.isnan(step) else step
        there = draw(st.lists(st.integers(1, 3), unique=True, max_size=3))
        found = [draw(detection(track)) for track in there]
        made.append(Picture(found, math.nan if math.isnan(step) else seconds, seconds))
    return made


@st.composite
def zones(draw: st.DrawFn) -> tuple[str, list[tuple[float, float]], rules.Whom]:
    unit = draw(st.sampled_from(UNITS))
    return unit, draw(polygons(unit)), draw(WHOM)


@quick
@given(zones(), sequences())
def test_zone(harness: Driver, by: Any, pictures: list[Picture]) -> None:
    unit, polygon, whom = by
    said = asked(harness, "zone", spot(unit, polygon, whom), place(WHERE), pictures=pictures)
    assert said == [{"area": rules.zone(p.found, WHERE, polygon, unit, whom)} for p in pictures]


@quick
@given(zones(), st.sampled_from([0.0, 0.1, 2.0]), sequences())
def test_line_and_who_has_crossed(harness: Driver, by: Any, margin: float, pictures: list[Picture]) -> None:
    unit, (a, b, *_), whom = by
    said = asked(harness, "line", spot(unit, [a, b], whom), repr(margin), place(WHERE), pictures=pictures)
    line, count = rules.Line([a, b], margin, unit, whom), rules.CountLine()
    for record, picture in zip(said, pictures, strict=True):
        crossed = line.look(picture.found, WHERE)
        net, forward, backward = count.look(crossed)
        assert record == {
            "gate": crossed,
            "passed": net,
            "passed_forward": forward,
            "passed_backward": backward,
        }


@quick
@given(zones(), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([0.0, 1.0, 3.0]), sequences())
def test_dwell_and_who_is_there(
    harness: Driver, by: Any, least: float, grace: float, pictures: list[Picture]
) -> None:
    unit, polygon, whom = by
    words = (spot(unit, polygon, whom), place(WHERE), repr(least), repr(grace))
    said = asked(harness, "dwell", *words, pictures=pictures)
    dwell, count, elapsed = rules.Dwell(least, grace), rules.CountZone(), rules.Elapsed()
    tracked = False
    for record, picture in zip(said, pictures, strict=True):
        inside = rules.zone(picture.found, WHERE, polygon, unit, whom)
        stayed, seconds = dwell.look(picture.found, inside, elapsed.at(picture.seconds))
        there, total = count.look(picture.found, inside)
        tracked = bool(picture.found)
        np.testing.assert_allclose(record.pop("waiting_seconds"), np.float32(seconds), rtol=1e-6)
        wanted = {"area": inside, "waiting": stayed, "there": there}
        assert record == (wanted | {"there_total": total} if tracked else wanted)


MOMENTS = st.lists(st.floats(0, 4e9) | st.sampled_from([-1.0, math.nan, 1e300, 0.0]), min_size=1, max_size=5)
CLOCK = st.sampled_from(["00:00", "06:00", "08:30", "22:15", "23:59", "24:00"])


@st.composite
def weeks(draw: st.DrawFn) -> dict[str, Any]:
    days = draw(st.lists(st.sampled_from(alarms.DAYS), min_size=1, unique=True))
    return {"days": days, "start": draw(CLOCK), "end": draw(CLOCK)}


def week(by: dict[str, Any], offset: str) -> str:
    return f"{many(map(text, by['days']))} {text(by['start'])} {text(by['end'])} {text(offset)}"


@quick
@given(weeks(), st.sampled_from(["+00:00", "+02:00", "-05:30", "+14:00", "-12:00"]), MOMENTS)
def test_schedule(harness: Driver, by: dict[str, Any], offset: str, moments: list[float]) -> None:
    pictures = [Picture(utc=utc) for utc in moments]
    said = asked(harness, "schedule", week(by, offset), pictures=pictures)
    assert said == [{"open": alarms.schedule(utc, **by, utc_offset=offset)} for utc in moments]


@pytest.fixture(scope="module")
def in_berlin(harness: Driver) -> Iterator[Driver]:
    """The same program where the box's time has a summer; the rule is in TZ itself, no database is asked."""
    running = Driver(harness.program, env={**os.environ, "TZ": "CET-1CEST,M3.5.0,M10.5.0/3"})
    yield running
    running.close()


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-01-12 06:59", False),  # Monday, 07:59 in winter
        ("2026-01-12 07:00", True),
        ("2026-01-12 16:59", True),
        ("2026-01-12 17:00", False),
        ("2026-07-13 05:59", False),  # Monday, 07:59 in summer
        ("2026-07-13 06:00", True),
        ("2026-07-12 10:00", False),  # Sunday
    ],
)
def test_the_boxs_own_time_knows_of_summer(in_berlin: Driver, moment: str, is_open: bool) -> None:
    utc = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    by = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "08:00", "end": "18:00"}
    assert asked(in_berlin, "schedule", week(by, ""), pictures=[Picture(utc=utc)]) == [{"open": is_open}]


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-01-09 21:59", False),
        ("2026-01-09 22:00", True),  # Friday night …
        ("2026-01-10 05:59", True),  # … is Friday's until six
        ("2026-01-10 06:00", False),
        ("2026-01-10 23:00", False),  # Saturday's is not asked for
        ("2026-01-09 05:00", False),  # Thursday's neither
    ],
)
def test_a_night_belongs_to_the_day_it_begins_on(harness: Driver, moment: str, is_open: bool) -> None:
    utc = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    by = {"days": ["fri"], "start": "22:00", "end": "06:00"}
    said = asked(harness, "schedule", week(by, "+00:00"), pictures=[Picture(utc=utc)])
    assert said == [{"open": is_open}]
    assert alarms.schedule(utc, **by, utc_offset="+00:00") is is_open


VALUE = st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan])


@st.composite
def values(draw: st.DrawFn) -> list[Picture]:
    seconds, made = 0.0, []
    for _ in range(draw(st.integers(1, 20))):
        seconds += draw(st.sampled_from([0.0, 0.5, 1.0, 4.0, -2.0]))
        fields = {"value": draw(VALUE), "awake": float(draw(st.integers(0, 4)) > 0)}
        made.append(Picture(seconds=seconds, values=fields))
    return made


@quick
@given(values(), st.integers(1, 4), st.integers(0, 3), st.sampled_from([1.0, 2.0]))
def test_debounce_by_pictures(
    harness: Driver, pictures: list[Picture], frames: int, more: int, least: float
) -> None:
    said = asked(harness, "debounce", repr(least), frames, frames + more, 0, pictures=pictures)
    twin = alarms.DebounceFrames(frames, frames + more, least)
    assert said == [{"sure": twin.look(p.values["value"])} for p in pictures]


@quick
@given(values(), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([1.0, 2.0]))
def test_debounce_by_time(harness: Driver, pictures: list[Picture], seconds: float, least: float) -> None:
    said = asked(harness, "debounce", repr(least), 0, 0, repr(seconds), pictures=pictures)
    twin, elapsed = alarms.DebounceSeconds(seconds, least), rules.Elapsed()
    assert said == [{"sure": twin.look(p.values["value"], elapsed.at(p.seconds))} for p in pictures]


@quick
@given(values(), st.sampled_from([(1.0, 0.0), (3.0, 1.0)]), st.sampled_from([0.0, 2.0]), st.booleans())
def test_alarm(harness: Driver, pictures: list[Picture], at: Any, cooldown: float, during: bool) -> None:
    words = (repr(at[0]), repr(at[1]), repr(cooldown), text("awake" if during else ""))
    said = asked(harness, "alarm", *words, pictures=pictures)
    twin, elapsed = alarms.Alarm(*at, cooldown), rules.Elapsed()
    for record, picture in zip(said, pictures, strict=True):
        awake = not during or picture.values["awake"] != 0
        raised, event = twin.look(picture.values["value"], elapsed.at(picture.seconds), awake)
        assert record == {"crowd": raised, "crowd_event": event}


def at(x: float, y: float, track: int = 1) -> Detection:
    """A box whose lower side's middle lies there."""
    return Detection(0, 0.5, x - 2, y - 4, x + 2, y, track, "cat")


@pytest.mark.parametrize(
    ("way", "crossed"),
    [
        ([(30, 10), (30, 30)], [0, 1]),  # down through a line from left to right: forward
        ([(30, 30), (30, 10)], [0, -1]),
        ([(30, 10), (30, 20), (30, 30)], [0, 0, 1]),  # standing on it is not yet across
        ([(30, 10), (30, 20), (30, 10)], [0, 0, 0]),
        ([(5, 10), (5, 30)], [0, 0]),  # past its end
        ([(5, 10), (5, 30), (30, 30), (30, 10)], [0, 0, 0, -1]),  # around, and then back through it
        ([(10, 10), (10, 30)], [0, 1]),  # over its very end
        ([(30, 19), (30, 21), (30, 19), (30, 21)], [0, 1, -1, 1]),  # trembling
    ],
)
def test_a_line_by_hand(harness: Driver, way: list[tuple[float, float]], crossed: list[int]) -> None:
    pictures = [Picture([at(*point)]) for point in way]
    line = spot("pixels", [(10, 20), (50, 20)])
    said = asked(harness, "line", line, "0.0", place(WHERE), pictures=pictures)
    assert [record["gate"] for record in said] == [[one] for one in crossed]


def test_what_trembles_within_the_margin_crosses_once(harness: Driver) -> None:
    pictures = [Picture([at(30, y)]) for y in (10, 19, 21, 19, 21, 22.5, 21, 19, 22.5)]
    said = asked(
        harness, "line", spot("pixels", [(10, 20), (50, 20)]), "2.0", place(WHERE), pictures=pictures
    )
    assert [record["passed"] for record in said] == [0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_fractions_are_of_the_picture_as_it_came(harness: Driver) -> None:
    """The same zone in a picture that `pre` has made smaller, and moved."""
    zone = spot("fraction", [(0.5, 0), (1, 0), (1, 1), (0.5, 1)])
    pictures = [Picture([at(29, 20), at(31, 20, 2)])]
    for where in (WHERE, Geometry(40, 60, 20, 30, 0.5, 0.5, 3, 4)):
        assert asked(harness, "zone", zone, place(where), pictures=pictures) == [{"area": [0, 1]}]


def test_of_two_zones_side_by_side_one_has_it(harness: Driver) -> None:
    left = spot("pixels", [(0, 0), (20, 0), (20, 40), (0, 40)])
    right = spot("pixels", [(20, 0), (40, 0), (40, 40), (20, 40)])
    pictures = [Picture([at(20, y, int(y) + 1) for y in (0.0, 10.0, 39.0)])]
    (a,) = asked(harness, "zone", left, place(WHERE), pictures=pictures)
    (b,) = asked(harness, "zone", right, place(WHERE), pictures=pictures)
    assert [x + y for x, y in zip(a["area"], b["area"], strict=True)] == [1, 1, 1]


def test_a_stay_goes_on_through_a_short_absence(harness: Driver) -> None:
    zone = spot("pixels", [(0, 0), (20, 0), (20, 40), (0, 40)])
    inside, outside = [at(10, 20)], [at(30, 20)]
    frames = [inside, inside, [], inside, outside, outside, inside]
    pictures = [Picture(found, float(n)) for n, found in enumerate(frames)]
    said = asked(harness, "dwell", zone, place(WHERE), "3.0", "2.0", pictures=pictures)
    assert [record["waiting_seconds"] for record in said] == [[0], [1], [], [3], [0], [0], [0]]
    assert [record["waiting"] for record in said] == [0, 0, 0, 1, 0, 0, 0]


def test_a_clock_that_is_set_back_costs_nobody_his_time(harness: Driver) -> None:
    zone = spot("pixels", [(0, 0), (20, 0), (20, 40), (0, 40)])
    pictures = [Picture([at(10, 20)], seconds) for seconds in (100, 101, 5, 6, math.nan, 7)]
    said = asked(harness, "dwell", zone, place(WHERE), "3.0", "1.0", pictures=pictures)
    assert [record["waiting_seconds"] for record in said] == [[0], [1], [1], [2], [2], [3]]


def test_what_is_remembered_has_an_end(harness: Driver) -> None:
    """5000 things come and go; the first one then counts as new, and the program did not grow."""
    zone = spot("pixels", [(0, 0), (20, 0), (20, 40), (0, 40)])
    there = [[at(10, 20, track) for track in range(start, start + 100)] for start in range(1, 5000, 100)]
    pictures = [*map(Picture, there), Picture([at(10, 20, 4999), at(10, 20, 1)])]
    said = asked(harness, "dwell", zone, place(WHERE), "1.0", "1.0", pictures=pictures)
    twin = rules.CountZone()
    totals = [twin.look(p.found, [1] * len(p.found))[1] for p in pictures]
    assert [record["there_total"] for record in said] == totals
    assert totals[-1] == 5001


NOBODY = [Picture([replace(at(1, 1), track=0)])]
REFUSED: list[tuple[tuple[object, ...], list[Picture], str]] = [
    (("zone", spot("fraction", [(0, 0), (1, 0), (1, 1)]), place(LOST)), NOBODY, "in pixels"),
    (("line", spot("pixels", [(0, 0), (1, 1)]), "0.0", place(WHERE)), NOBODY, "`track` comes before it"),
    (("stale", text("area")), [Picture([at(1, 1)])], "told of 2 boxes, and now there are 1"),
    (("stale", text("other")), [Picture([at(1, 1)])], "no zone or line `other`"),
    (("debounce", "1", "1", "1", "0"), [Picture()], "no field `value`"),
    (("alarm", "1", "0", "0", text("boxes")), [Picture(values={"value": 1.0})], "`boxes` is no number"),
    (("schedule", many([]), text("8:00"), text("18:00"), text("")), [Picture()], "8:00 is not a time"),
]


@pytest.mark.parametrize(("words", "pictures", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_is_refused_in_words(
    harness: Driver, words: tuple[object, ...], pictures: list[Picture], why: str
) -> None:
    assert why in refused(harness, *words, many(picture.words() for picture in pictures))
