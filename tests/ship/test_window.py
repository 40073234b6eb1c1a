from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.errors import UsageError
from edgepack.observe.status import status
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.report import Clock, quiet
from edgepack.ship.window import Window, WindowClosedError
from tests.releases import APP, Program, bundle


def at(words: str, now: str, zone: str | None = "Europe/Zurich") -> Window:
    """A window at a moment, which is given in UTC."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return dataclasses.replace(Window.of(words, zone), now=moment.astimezone)


@pytest.mark.parametrize(
    ("words", "now", "seconds"),
    [
        ("01:00-05:00", "2026-07-01 00:30", 0),  # 02:30 in Zurich's summer
        ("01:00-05:00", "2026-07-01 03:00", 20 * 3600),  # 05:00: over
        ("01:00-05:00", "2026-01-01 03:30", 0),  # 04:30 in winter
        ("01:00-05:00", "2026-01-01 23:59", 60),
        ("22:00-04:00", "2026-01-01 22:00", 0),
        ("22:00-04:00", "2026-01-01 02:59", 0),
        ("22:00-04:00", "2026-01-01 03:00", 18 * 3600),
    ],
)
def test_when_it_is_open(words: str, now: str, seconds: int) -> None:
    window = at(words, now)
    assert window.open() == (seconds == 0)
    assert window.opens_in().total_seconds() == seconds


@pytest.mark.parametrize("words", ["1-5", "01:00-25:00", "01:00-01:00", "01:00", "", "01:00-05:00 x"])
def test_what_is_no_window(words: str) -> None:
    with pytest.raises(UsageError, match="--window takes hours"):
        Window.of(words)
    with pytest.raises(UsageError, match="no time zone"):
        Window.of("01:00-05:00", "Mars/Olympus")


def test_a_deploy_waits_for_it(endpoint: Endpoint, tmp_path: Path) -> None:
    slept: list[float] = []
    moments = iter(["2026-01-01 23:59", "2026-01-01 23:59", "2026-01-01 23:59:30"])
    later = datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)

    def now(zone: ZoneInfo | None) -> datetime:
        said = next(moments, None)
        return (datetime.fromisoformat(said).replace(tzinfo=UTC) if said else later).astimezone(zone)

    window = dataclasses.replace(Window.of("00:00-05:00", "UTC"), now=now, sleep=slept.append)
    window.wait(Clock(quiet))
    assert sum(slept) > 0
    report = deploy(endpoint, bundle(tmp_path / "1"), DeployOptions(window=window))
    assert report.outcome == "deployed"


def test_what_is_on_its_way_stops_at_its_end_and_goes_on_the_next_time(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    deploy(endpoint, bundle(tmp_path / "1", Program(version="1")))
    two = bundle(tmp_path / "2", Program(version="2", weights=os.urandom(600_000)))
    looks = iter(range(10**6))
    closing = dataclasses.replace(
        Window.of("01:00-05:00", "UTC"),
        now=lambda zone: datetime(2026, 1, 1, 4 if next(looks) < 4 else 5, 0, tzinfo=UTC),
    )
    with pytest.raises(WindowClosedError, match="01:00-05:00 UTC are over"):
        deploy(endpoint, two, DeployOptions(window=closing))
    assert (status(endpoint, APP).version, status(endpoint, APP).locked_by) == ("1", None)
    assert "hours 01:00-05:00 UTC" in plan_deploy(endpoint, two, DeployOptions(window=closing)).steps[0]
    assert deploy(endpoint, two).outcome == "deployed"
