"""Keys of encrypted models before a deploy, and on their way to a box."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import PreflightError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.errors import InputError
from edgepack.model.sealed import ContentKey
from edgepack.ship import model_key
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.errors import NotProvenError
from edgepack.ship.model_key import judge, wrap
from edgepack.ship.rollback import rollback
from tests.licences import ISSUER
from tests.model_keys import APP as TINY
from tests.model_keys import BOARD, DEVICES, ELSEWHERE, ID, KEY, SOC, STRANGER, TABLE
from tests.releases import APP, Program, bundle
from tests.ship.test_licence import granted
from tests.ship.test_preflight import GOOD

ASKED: dict[str, Any] = {"key": KEY.id, "device": "hardware"}
ANY = {**ASKED, "device": "any"}
BOX = dataclasses.replace(GOOD, devices=DEVICES)
MISSING = f"the model is encrypted, and its key {KEY.id} is not on this box"


@pytest.mark.parametrize("name", TABLE)
def test_the_deployer_judges_as_the_program_does(name: str) -> None:
    line, opens, words = TABLE[name]
    standing = judge(line, TINY, KEY.id, DEVICES)
    assert (standing.state == "opens", "" if opens else standing.words) == (opens, words)
    assert standing.key == (KEY if opens else None)


def test_a_box_without_a_key_is_told_so() -> None:
    assert judge("", TINY, KEY.id, DEVICES).words == MISSING


def test_a_wrapped_key_is_the_same_each_time_and_another_for_each_box() -> None:
    assert wrap(KEY, TINY, SOC) == wrap(KEY, TINY, SOC)
    lines = {
        wrap(key, app, box) for key in (KEY, STRANGER) for app in (TINY, "x") for box in (SOC, ELSEWHERE)
    }
    assert len({line.split(" ")[5] for line in lines}) == len(lines) == 8  # the salts
    for line in lines:
        assert SOC[1] not in line
        assert KEY.value.hex() not in line


# The box's devices, its lines, what is asked for, whether the deployer has the key; what keeps it back.
BEFOREHAND: dict[str, tuple[tuple[model_key.Device, ...], tuple[str, ...], dict[str, Any], bool, str]] = {
    "brought": (DEVICES, (), ASKED, True, ""),
    "there": (DEVICES, (wrap(KEY, TINY, SOC),), ASKED, False, ""),
    "there beside another": (DEVICES, (wrap(STRANGER, TINY, SOC), wrap(KEY, TINY, SOC)), ASKED, False, ""),
    "missing": (DEVICES, (), ASKED, False, MISSING),
    "only another": (DEVICES, (wrap(STRANGER, TINY, SOC),), ASKED, False, MISSING),
    "of another box": (DEVICES, (wrap(KEY, TINY, ELSEWHERE),), ASKED, False, "was wrapped for another box"),
    "of another box, and brought": (DEVICES, (wrap(KEY, TINY, ELSEWHERE),), ASKED, True, ""),
    "of a better source than asked for": (DEVICES, (wrap(KEY, TINY, SOC),), ANY, False, ""),
    "on the flash": (DEVICES, (wrap(KEY, TINY, ID),), ASKED, False, "is bound to its machine-id"),
    "on the flash, and brought": (DEVICES, (wrap(KEY, TINY, ID),), ASKED, True, ""),
    "on the flash, as asked": (DEVICES, (wrap(KEY, TINY, ID),), ANY, False, ""),
    "a mainboard": ((BOARD, ID), (), ASKED, True, ""),
    "no hardware": ((ID,), (), ASKED, True, "a key cannot be bound to this box"),
    "no hardware, and any": ((ID,), (), ANY, True, ""),
    "nothing at all": ((), (), ANY, True, "it has nothing"),
    "a release that says nonsense": (
        DEVICES,
        (),
        {"key": "../x"},
        False,
        "its key unknown is not on this box",
    ),
}


@pytest.mark.parametrize("name", BEFOREHAND)
def test_what_is_foreseen(name: str) -> None:
    devices, lines, asked, here, words = BEFOREHAND[name]
    release = {"encryption": asked}
    facts = dataclasses.replace(BOX, devices=devices, model_keys=lines)
    foreseen = model_key.foreseen(TINY, release, facts, (lambda: KEY) if here else None)
    refused = model_key.refusal(TINY, release, foreseen)
    assert (refused[0] if refused else "") == "" if not words else words in (refused or ("",))[0]
    if refused:
        assert refused[1]


def test_a_key_is_asked_for_only_where_the_box_lacks_it() -> None:
    def never() -> ContentKey:
        raise AssertionError("asked for")

    release = {"encryption": ASKED}
    facts = dataclasses.replace(BOX, model_keys=(wrap(KEY, TINY, SOC),))
    assert model_key.foreseen(TINY, release, facts, never) == facts
    assert model_key.foreseen(TINY, {}, BOX, never) == BOX
    assert (model_key.refusal(TINY, {}, BOX), model_key.note({})) == (None, "")
    with pytest.raises(InputError, match=f"this is the key {STRANGER.id}"):
        model_key.foreseen(TINY, release, BOX, lambda: STRANGER)


def test_a_licence_must_not_say_what_the_key_is_made_of() -> None:
    release = {"encryption": ASKED}
    facts = dataclasses.replace(BOX, model_keys=(wrap(KEY, TINY, SOC),))
    spoilt = dataclasses.replace(facts, licence=granted((SOC,), 90, signer=ISSUER).decode())
    refused = model_key.refusal(TINY, release, spoilt)
    assert refused is not None
    assert "the fingerprint of its soc" in refused[0]
    for licence in (granted((ID,), 90).decode(), granted((ELSEWHERE,), 90).decode(), "nonsense"):
        assert model_key.refusal(TINY, release, dataclasses.replace(facts, licence=licence)) is None


def facts_of(endpoint: Endpoint) -> Facts:
    with Box(endpoint) as box:
        return probe(box, APP)


def release(folder: Path, version: str = "1.0.0", key: ContentKey = KEY, **more: Any) -> Bundle:
    return bundle(folder, Program(version, encryption={"key": key.id, "device": "any"}, **more))


def keys(endpoint: Endpoint) -> dict[str, str]:
    folder = Path(endpoint.root) / "apps" / APP / "data" / "keys"
    return {file.name: file.read_text() for file in folder.iterdir()} if folder.is_dir() else {}


def test_it_goes_with_a_deploy_before_the_golden_vectors(endpoint: Endpoint, tmp_path: Path) -> None:
    one = release(tmp_path / "1")
    with pytest.raises(PreflightError) as caught:
        deploy(endpoint, one)
    assert caught.value.what == f"the program would not run: {MISSING}"
    assert any(caught.value.what in line for line in plan_deploy(endpoint, one).refusals)
    assert not (Path(endpoint.root) / "apps" / APP).exists()

    options = DeployOptions(model_key=lambda: KEY)
    plan = plan_deploy(endpoint, one, options)
    assert plan.refusals == ()
    assert plan.notes[0].startswith(f"the model is encrypted (key {KEY.id}): ")
    assert keys(endpoint) == {}
    deploy(endpoint, one, options)
    first = keys(endpoint)
    devices = facts_of(endpoint).devices
    assert first == {KEY.id: f"{wrap(KEY, APP, devices[0])}\n"}
    assert deploy(endpoint, one).outcome == "nothing to do"
    assert deploy(endpoint, one, options).outcome == "nothing to do"

    # A new key: the release before keeps its own, and can be gone back to.
    two = release(tmp_path / "2", "2.0.0", STRANGER)
    deploy(endpoint, two, DeployOptions(model_key=lambda: STRANGER))
    assert keys(endpoint) == {**first, STRANGER.id: f"{wrap(STRANGER, APP, devices[0])}\n"}
    assert rollback(endpoint, APP).version == "1.0.0"
    assert model_key.on_box(APP, model_key.Asked(KEY.id, False), facts_of(endpoint)).state == "opens"


def test_one_of_another_box_is_exchanged(endpoint: Endpoint, tmp_path: Path) -> None:
    file = Path(endpoint.root) / "apps" / APP / "data" / "keys" / KEY.id
    deploy(endpoint, release(tmp_path / "1"), DeployOptions(model_key=lambda: KEY))
    right = file.read_text()
    file.write_text(f"{wrap(KEY, APP, ('machine-id', '0' * 64))}\n")
    with pytest.raises(PreflightError, match="was wrapped for another box"):
        deploy(endpoint, release(tmp_path / "1"))
    asked = {"encryption": ANY}
    assert model_key.bring(endpoint, APP, asked, lambda: KEY) is True
    assert model_key.bring(endpoint, APP, asked, lambda: KEY) is False
    assert (file.read_text(), file.stat().st_mode & 0o777) == (right, 0o600)


def test_a_release_that_is_not_proven_leaves_what_runs(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, release(tmp_path / "1"), DeployOptions(model_key=lambda: KEY))
    wrong = release(tmp_path / "2", "2.0.0", STRANGER, verify_status=16, report='{"error": "no key"}')
    with pytest.raises(NotProvenError, match="could not finish its golden vectors"):
        deploy(endpoint, wrong, DeployOptions(model_key=lambda: STRANGER))
    assert deploy(endpoint, release(tmp_path / "1")).outcome == "nothing to do"
