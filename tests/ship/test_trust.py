"""Boxes that are enrolled: only what one of their keys signed gets onto them, whoever sends it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError, PreflightError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.bundle import Bundle, listing
from edgepack.catalog.native_build import HelperSpec
from edgepack.compile.native import build_helper
from edgepack.errors import EdgepackError, InputError
from edgepack.package import signed
from edgepack.ship import preflight, trust
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.ship.enrol import Change, enrol, shown, text
from edgepack.ship.lease import held
from edgepack.ship.parcels import Tools
from edgepack.ship.rollback import rollback
from edgepack.signature import Signature
from edgepack.store import digest_file
from edgepack.tools.qemu import host_arch
from edgepack.tools.signers import Signer
from tests.releases import APP, Program, bundle

pytestmark = pytest.mark.slow


def new_key(name: str) -> Signer:
    key = Ed25519PrivateKey.generate()
    return Signer(key.public_key().public_bytes_raw().hex(), name, key.sign)


OPS, OTHER = new_key("ops"), new_key("other")


@pytest.fixture(scope="module")
def helper() -> Path:
    return build_helper(HelperSpec(host_arch()))


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Bundle]:
    return lambda version: bundle(tmp_path / f"bundle-{version}", Program(version=version))


@pytest.fixture
def enrolled(endpoint: Endpoint, helper: Path) -> Endpoint:
    told = enrol(endpoint, Change({OPS.key: "ops"}), lambda _: helper)
    assert (told.keys, told.changed) == ({OPS.key: "ops"}, True)
    return endpoint


def sign(given: Bundle, key: Signer = OPS, serial: int | None = None, helper: str = "") -> Bundle:
    said = signed.statement(given, serial, helper).text()
    return signed.add(given, Signature(said, key.key, key.sign(said).hex()))


def test_what_is_signed_is_deployed_and_the_box_says_by_whom(
    enrolled: Endpoint, made: Callable[[str], Bundle]
) -> None:
    one = sign(made("1.0.0"))
    plan = plan_deploy(enrolled, one)
    assert "have the box check that ops signed it" in plan.steps
    done = deploy(enrolled, one)
    assert (done.outcome, done.signed_by) == ("deployed", "ops")
    assert deploy(enrolled, one).outcome == "nothing to do"
    assert list(shown(enrolled).serials) == [APP]


REFUSED: dict[str, tuple[Callable[[Bundle], Bundle], str, str]] = {
    "not signed": (lambda b: b, "the bundle is not signed", "edgepack sign test-board --key KEY  (ops)"),
    "by a stranger": (
        lambda b: sign(b, OTHER),
        "by none of the keys that the box was enrolled with: ops",
        "edgepack sign",
    ),
    "in another's name": (
        lambda b: sign(b, dataclasses.replace(OTHER, key=OPS.key)),
        "is not one of the key that it names",
        "edgepack sign",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_is_refused_before_anything_is_sent(
    enrolled: Endpoint, made: Callable[[str], Bundle], case: str
) -> None:
    change, what, fix = REFUSED[case]
    with pytest.raises(PreflightError) as caught:
        deploy(enrolled, change(made("1.0.0")))
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert APP not in facts_of(enrolled).current


def facts_of(endpoint: Endpoint) -> Facts:
    with Box(endpoint) as box:
        return probe(box, APP)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        pytest.param(lambda b: sign(b, OTHER).signatures[0], "bad-signature", id="a stranger's"),
        pytest.param(
            lambda b: dataclasses.replace(sign(b).signatures[0], text=sign(b).signatures[0].text + b"x\n"),
            "bad-signature",
            id="of other words",
        ),
        pytest.param(lambda b: sign(other_files(b)).signatures[0], "bad-signature", id="of other files"),
        pytest.param(lambda b: sign(b, serial=1).signatures[0], "downgrade", id="older than what ran"),
        pytest.param(None, "unsigned", id="none"),
    ],
)
def test_a_deployer_that_looks_away_does_not_get_past_the_box(
    enrolled: Endpoint,
    made: Callable[[str], Bundle],
    monkeypatch: pytest.MonkeyPatch,
    sent: Callable[[Bundle], Signature] | None,
    kind: str,
) -> None:
    deploy(enrolled, sign(made("1.0.0")))
    monkeypatch.setattr(preflight, "_trust", lambda *_: ())
    two = made("2.0.0")
    choice = trust.Choice(sent(two) if sent else None)

    def authorise(box: Box, token: str, *_: object) -> str:
        if choice.signature:
            box.call("authorise", token, choice.signature.value, stdin=[choice.signature.text])
        return ""

    monkeypatch.setattr(trust, "authorise", authorise)
    with pytest.raises(BoxError) as caught:
        deploy(enrolled, two)
    assert caught.value.kind == kind
    found = facts_of(enrolled)
    assert found.releases == (found.current[APP],)


def other_files(given: Bundle) -> Bundle:
    """The same bundle by its name, with a mode changed."""
    files = tuple(dataclasses.replace(file, mode=0o755) for file in given.files)
    return dataclasses.replace(given, files=files)


def test_an_older_one_comes_back_by_rollback_or_when_it_is_signed_again(
    enrolled: Endpoint, made: Callable[[str], Bundle]
) -> None:
    one, two = sign(made("1.0.0"), serial=10), sign(made("2.0.0"), serial=20)
    for given in (one, two):
        deploy(enrolled, given)
    with pytest.raises(PreflightError, match="signed as number 10, and number 20 of digits has run"):
        deploy(enrolled, one)
    assert rollback(enrolled, APP).version == "1.0.0"
    assert deploy(enrolled, two).outcome == "deployed"
    assert deploy(enrolled, sign(one)).outcome == "deployed"


def test_one_that_goes_back_does_not_keep_its_predecessor_out(enrolled: Endpoint, tmp_path: Path) -> None:
    one = sign(bundle(tmp_path / "1", Program()), serial=10)
    bad = sign(bundle(tmp_path / "2", Program("2.0.0", each_round="exit 1")), serial=20)
    deploy(enrolled, one)
    with pytest.raises(EdgepackError):
        deploy(enrolled, bad)
    assert shown(enrolled).serials == {APP: 10}


def test_keys_come_and_go_as_one_of_them_says(
    enrolled: Endpoint, made: Callable[[str], Bundle], helper: Path
) -> None:
    deploy(enrolled, sign(made("1.0.0")))
    with pytest.raises(InputError, match="a change of its keys is signed by one of them"):
        enrol(enrolled, Change({OTHER.key: "other"}), lambda _: helper)
    with pytest.raises(InputError, match="other is none of the keys"):
        enrol(enrolled, Change({OTHER.key: "other"}, signer=OTHER), lambda _: helper)
    both = enrol(enrolled, Change({OTHER.key: "other"}, signer=OPS), lambda _: helper)
    assert set(both.keys.values()) == {"ops", "other"}
    two = sign(made("2.0.0"), OTHER)
    assert deploy(enrolled, two).signed_by == "other"
    left = enrol(enrolled, Change({}, revoke=["ops"], signer=OTHER, new_helper=True), lambda _: helper)
    assert left.keys == {OTHER.key: "other"}
    with pytest.raises(BoxError, match="none of the keys"):
        rollback(enrolled, APP)  # what a revoked key signed is not switched to
    assert deploy(enrolled, two).outcome == "nothing to do"
    assert enrol(enrolled, Change({}, end=True, signer=OTHER), lambda _: helper).serial is None
    assert deploy(enrolled, made("3.0.0")).signed_by == ""


def test_a_list_of_keys_is_taken_once_and_from_a_key_only(
    enrolled: Endpoint, helper: Path, made: Callable[[str], Bundle]
) -> None:
    before = shown(enrolled)
    assert before.serial is not None
    sha = digest_file(helper)
    mine = text(before.serial + 5, sha, {OTHER.key: "other"})
    old = text(before.serial, sha, {OPS.key: "ops", OTHER.key: "other"})
    release = sign(made("1.0.0")).signatures[0]
    attempts = [
        ("usage", "-", mine),
        ("bad-signature", OTHER.sign(mine).hex(), mine),
        ("downgrade", OPS.sign(old).hex(), old),
        ("usage", release.value, release.text),
    ]
    with Box(enrolled) as box, held(box, "") as lease:
        for kind, value, given in attempts:
            with pytest.raises(BoxError) as caught:
                box.call("enrol", lease.token, value, stdin=[given])
            assert caught.value.kind == kind
    assert shown(enrolled) == dataclasses.replace(before, changed=False)


def test_a_release_is_no_list_of_keys_and_the_other_way_round(enrolled: Endpoint, helper: Path) -> None:
    keys = text(10**11, digest_file(helper), {OTHER.key: "other"})
    with Box(enrolled) as box, held(box, "") as lease:
        box.call("authorise", lease.token, OPS.sign(keys).hex(), stdin=[keys])
        with pytest.raises(BoxError, match="another release"):
            box.call("stage", lease.token, APP, "0" * 64, stdin=[b""])


def test_a_helper_comes_only_where_a_key_names_it(
    enrolled: Endpoint, tmp_path: Path, helper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    newer = tmp_path / "newer"
    newer.write_bytes(helper.read_bytes() + b"\0")
    encoder = build_helper(HelperSpec(host_arch(), "encoder"))
    options = DeployOptions(tools=Tools(lambda: newer, lambda: encoder))
    deploy(enrolled, sign(bundle(tmp_path / "1", Program(weights=b"a" * 200_000))))
    without = sign(bundle(tmp_path / "2", Program("2.0.0", weights=b"b" * 200_000)))
    done = deploy(enrolled, without, options)
    assert done.sent_as == "files: no key of this box vouches for this helper"
    with_it = bundle(tmp_path / "3", Program("3.0.0", weights=b"c" * 200_000))
    assert deploy(enrolled, sign(with_it, helper=digest_file(newer)), options).sent_as == "parcels"


def test_what_was_there_before_the_keys_can_still_be_gone_back_to(
    endpoint: Endpoint, made: Callable[[str], Bundle], helper: Path
) -> None:
    deploy(endpoint, made("1.0.0"))
    enrol(endpoint, Change({OPS.key: "ops"}), lambda _: helper)
    deploy(endpoint, sign(made("2.0.0")))
    assert rollback(endpoint, APP).version == "1.0.0"


def test_a_box_that_cannot_run_the_helper_is_not_enrolled(endpoint: Endpoint, tmp_path: Path) -> None:
    foreign = tmp_path / "helper"
    foreign.write_bytes(b"\x7fELF of another machine")
    with pytest.raises(PreflightError, match="cannot check a signature"):
        enrol(endpoint, Change({OPS.key: "ops"}), lambda _: foreign)
    assert shown(endpoint).serial is None


def test_the_list_that_is_signed_is_the_one_that_the_box_keeps(
    enrolled: Endpoint, made: Callable[[str], Bundle]
) -> None:
    one = sign(made("1.0.0"))
    deploy(enrolled, one)
    kept = Path(enrolled.root) / "apps" / APP / "releases" / f"{one.digest[7:]}.list"
    assert kept.read_bytes() == listing(one.files)
