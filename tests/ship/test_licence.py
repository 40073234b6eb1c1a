"""Licences before a deploy, on their way to a box, and renewed there."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import PreflightError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.errors import InputError
from edgepack.ship import licence
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.licence import Terms, judge, sign
from edgepack.ship.rollback import rollback
from tests.licences import APP as TINY
from tests.licences import DEVICE, ISSUER, KEYS, OLDER, STRANGER, TABLE, TERMS, at
from tests.releases import APP, Program, bundle
from tests.ship.test_preflight import GOOD

ASKED: dict[str, Any] = {"keys": [ISSUER.key], "required": True, "warn_days": 30}
TODAY = dt.datetime.now(dt.UTC).date()


@pytest.mark.parametrize("name", TABLE)
def test_the_deployer_judges_as_the_program_does(name: str) -> None:
    text, now, state, words = TABLE[name]
    standing = judge(text, TINY, KEYS, [DEVICE], now)
    assert (standing.state, standing.words) == (state, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"last": dt.date(2026, 10, 1)}, "the last day is before the first one"),
        ({"grace_days": -1}, "the grace time is not 0 to 3660 days"),
        ({"features": tuple(f"f{n}" for n in range(33))}, "more than 32 features"),
        ({"features": ("a b",)}, "'a b' is no name of a feature"),
        ({"features": ("x\nuntil 2099-01-01",)}, "is no name of a feature"),
        ({"device": ("machine-id", "abc")}, "the device is not a source and a fingerprint"),
        ({"device": ("machine-id\napp x", "0" * 64)}, "the device is not a source and a fingerprint"),
    ],
)
def test_terms_that_no_program_takes_are_not_signed(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        sign(dataclasses.replace(TERMS, **change), ISSUER)


def granted(devices: tuple[tuple[str, str], ...], days: int, issued: float = 0, **more: Any) -> bytes:
    """A licence for a box that ends in so many days."""
    terms = Terms(
        app=APP,
        node="box-07",
        device=devices[0],
        first=TODAY - dt.timedelta(400),
        last=TODAY + dt.timedelta(days),
        grace_days=more.pop("grace_days", 14),
        features=("counting",),
        issued=int(issued or time.time()),
    )
    return sign(terms, more.pop("signer", ISSUER))


BOX = dataclasses.replace(GOOD, devices=(DEVICE,), clock=int(time.time()))

# Days until its end, what the release asks for besides, what keeps the deploy back, what is told beforehand.
BEFOREHAND: dict[str, tuple[int | None, dict[str, Any], str, str]] = {
    "long": (200, {}, "", ""),
    "soon": (12, {}, "", "the licence of box-07 ends in 12 days, on "),
    "soon enough": (12, {"warn_days": 10}, "", ""),
    "in grace": (-3, {}, "", "; without a new one the program stops after "),
    "ended": (-40, {}, "ended on", ""),
    "none": (None, {}, "there is no licence", ""),
    "none, and none is required": (None, {"required": False}, "", "the program runs, and opens no feature"),
    "ended, and none is required": (-40, {"required": False}, "", "the program runs, and opens no feature"),
    "of another key": (200, {"keys": [OLDER.key]}, "the licence is not as one of the keys", ""),
    "a release that says nonsense": (200, {"keys": "all"}, "the licence is not as one of the keys", ""),
}


@pytest.mark.parametrize("name", BEFOREHAND)
def test_what_is_said_beforehand(name: str) -> None:
    days, more, refusal, note = BEFOREHAND[name]
    release = {"licence": {**ASKED, **more}}
    text = granted((DEVICE,), days) if days is not None else None
    facts = licence.foreseen(release, BOX, text)
    refused = licence.refusal(APP, release, facts)
    told = licence.note(APP, release, facts)
    assert (refusal in refused, bool(refused)) == (True, bool(refusal))
    assert (note in told, bool(told)) == (True, bool(note))


def test_a_release_that_asks_for_none_is_let_alone() -> None:
    assert licence.foreseen({}, BOX, b"x") == BOX
    assert (licence.refusal(APP, {}, BOX), licence.note(APP, {}, BOX)) == ("", "")


def test_a_clock_before_the_licence_was_issued_is_not_believed() -> None:
    facts = dataclasses.replace(BOX, clock=9, licence=granted((DEVICE,), 200).decode())
    assert licence.refusal(APP, {"licence": ASKED}, facts) == ""


@pytest.mark.parametrize("signer", [ISSUER, STRANGER])
def test_the_newer_of_two_stays(signer: Any) -> None:
    older, newer = granted((DEVICE,), 20, at("2026-01-01")), granted((DEVICE,), 90, signer=signer)
    facts = dataclasses.replace(BOX, licence=newer.decode())
    foreseen = licence.foreseen({"licence": ASKED}, facts, older)
    assert foreseen.licence == (newer if signer is ISSUER else older).decode()


def devices(endpoint: Endpoint) -> Facts:
    with Box(endpoint) as box:
        return probe(box, APP)


def release(folder: Path) -> Bundle:
    return bundle(folder, Program(licence=ASKED))


def test_it_goes_with_a_deploy_and_is_renewed_alone(endpoint: Endpoint, tmp_path: Path) -> None:
    one, told = release(tmp_path / "1"), list[str]()
    with pytest.raises(PreflightError) as caught:
        deploy(endpoint, one)
    assert caught.value.what == "the program would not run: there is no licence"
    assert not (Path(endpoint.root) / "apps" / APP).exists()

    first = granted(devices(endpoint).devices, 12, time.time() - 100)
    options = DeployOptions(licence=first, tell=told.append)
    assert "ends in 12 days" in plan_deploy(endpoint, one, options).notes[0]
    deploy(endpoint, one, options)
    assert "ends in 12 days" in told[0]
    file = Path(endpoint.root) / "apps" / APP / "data" / "licence"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (first, 0o600)
    assert deploy(endpoint, one, options).outcome == "nothing to do"
    assert deploy(endpoint, one).outcome == "nothing to do"

    second = granted(devices(endpoint).devices, 200)
    assert deploy(endpoint, one, DeployOptions(licence=second)).outcome == "nothing to do"
    assert file.read_bytes() == second
    assert (
        deploy(endpoint, one, options).outcome == "nothing to do"
    )  # an older one comes with it: the newer stays
    assert file.read_bytes() == second

    journal = Path(endpoint.root) / "journal"
    before = journal.read_text().splitlines()
    third = granted(devices(endpoint).devices, 400, time.time() + 9)
    standing, changed = licence.renew(endpoint, APP, [ISSUER.key], third)
    assert (standing.state, changed, file.read_bytes()) == ("valid", True, third)
    assert licence.renew(endpoint, APP, [ISSUER.key], third)[1] is False
    added = [line.split(" ", 1)[1] for line in journal.read_text().splitlines()[len(before) :]]
    assert f"licence {APP} - changed" in added
    assert not [line for line in added if line.startswith(("switch", "start", "confirm"))]


def test_a_release_that_may_not_run_is_not_gone_back_to(endpoint: Endpoint, tmp_path: Path) -> None:
    first = deploy(
        endpoint, release(tmp_path / "1"), DeployOptions(licence=granted(devices(endpoint).devices, 9))
    )
    second = deploy(endpoint, bundle(tmp_path / "2", Program(version="2")))
    file = Path(endpoint.root) / "apps" / APP / "data" / "licence"
    file.write_bytes(granted(devices(endpoint).devices, -40))
    with pytest.raises(PreflightError, match="would not run: the licence of box-07 ended on") as caught:
        rollback(endpoint, APP)
    assert caught.value.why == "nothing was changed on the box"
    known = devices(endpoint)
    assert (known.current[APP], first.release in known.releases) == (second.release, True)
    assert "switch" not in (Path(endpoint.root) / "journal").read_text().splitlines()[-1]


def test_one_that_would_not_hold_is_not_sent(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, release(tmp_path / "1"), DeployOptions(licence=granted(devices(endpoint).devices, 9)))
    file = Path(endpoint.root) / "apps" / APP / "data" / "licence"
    before = file.read_bytes()
    for text, words in (
        (granted((DEVICE,), 200), "for another box"),
        (granted(devices(endpoint).devices, -40), "ended on"),
        (granted(devices(endpoint).devices, 200, signer=STRANGER), "not as one of the keys"),
    ):
        with pytest.raises(InputError) as caught:
            licence.renew(endpoint, APP, [ISSUER.key], text)
        assert words in (caught.value.why or "")
    assert file.read_bytes() == before
