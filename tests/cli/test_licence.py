"""``edgepack licence``: a key, a box, a licence; and what is told of each mistake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgepack.errors import Exit
from edgepack.sandbox import box as sandbox
from edgepack.tools.qemu import host_arch
from tests import digits
from tests.cli.told import Cli, check
from tests.digits import Digits

NODE = "box-1"
DEVICE = f"soc:{'a' * 64}"
LATER = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(100))


def write_key(folder: Path, name: str) -> None:
    key = Ed25519PrivateKey.generate()
    form, none = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    (folder / name).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, none))
    ssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    (folder / f"{name}.pub").write_bytes(key.public_key().public_bytes(*ssh) + b" who@example\n")


@pytest.fixture(scope="module")
def licensed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    """The example with the key of who issues its licences, and a box."""
    project = digits.copy(tmp_path_factory.mktemp("licensed") / "digits", tmp_path_factory.mktemp("cache"))
    for name in ("issuer", "stranger"):
        write_key(project.folder, name)
    project.rewrite("edgepack.yaml", "targets:\n", "licence: {key: issuer.pub, grace_days: 7}\ntargets:\n")
    try:
        sandbox.up(project.folder, NODE, host_arch(), host_arch(), lambda *_: None, "builtin")
        yield project
    finally:
        sandbox.down(project.folder, NODE)


@pytest.fixture
def project(licensed: Digits, monkeypatch: pytest.MonkeyPatch) -> Digits:
    monkeypatch.chdir(licensed.folder)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return licensed


def test_one_is_issued_shown_and_brought(project: Digits, cli: Cli) -> None:
    shown = cli("licence", "show", NODE)
    assert shown.code == 0, shown
    assert shown.out.startswith("here: there is no licence\non the box: there is no licence\n")
    named = ("--until", LATER, "--key", "issuer", "--feature", "counting", "--feature", "alarms")
    issued = cli("licence", "issue", NODE, *named)
    assert issued.code == 0, issued
    file = project.folder / "licences" / f"{NODE}.licence"
    words = f"the licence of {NODE} holds until {LATER}"
    assert issued.out.startswith(f"licences/{NODE}.licence: {words}, 7 days of grace after that\n")
    assert "opens: alarms, counting" in issued.out
    assert f"\nuntil {LATER}\ngrace 7\nfeature alarms\nfeature counting\n" in file.read_text()
    assert cli("licence", "send", NODE).out == f"{NODE}: {words}; it has it now\n"
    assert cli("licence", "send", NODE).out == f"{NODE}: {words}; it had it already\n"
    said = cli("licence", "show", NODE, "--json").json()
    assert said["same"] is True
    assert said["on_the_box"] == said["here"]
    assert said["here"]["features"] == ["alarms", "counting"]
    assert said["here"]["device"] == said["devices"][0]
    # A box that cannot be asked: by what it said before.
    again = cli(
        "licence", "issue", NODE, "--until", LATER, "--key", "issuer", "--device", said["devices"][-1]
    )
    assert again.code == 0, again
    # And by the source that the licence before had, though a better one is there.
    assert cli("licence", "issue", NODE, "--until", LATER, "--key", "issuer", "--grace", "0").code == 0
    assert f"device {said['devices'][-1].replace(':', ' ')}\n" in file.read_text()
    assert "\ngrace 0\n" in file.read_text()


ISSUE = ("issue", NODE, "--until", LATER, "--key", "issuer", "--device", DEVICE)

MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no day": (("issue", NODE, "--until", "soon", "--key", "issuer"), Exit.USAGE, "--until takes a day like"),
    "a day that is none": ((*ISSUE[:3], "2027-02-30", *ISSUE[4:]), Exit.USAGE, "not 2027-02-30"),
    "days without years": ((*ISSUE, "--from", "1-1-1"), Exit.USAGE, "--from takes a day like"),
    "ends before it begins": (
        (*ISSUE[:3], "2020-01-01", *ISSUE[4:]),
        Exit.INPUT,
        "the last day is before the first one",
    ),
    "a grace time below zero": (
        (*ISSUE, "--grace", "-1"),
        Exit.INPUT,
        "the grace time is not 0 to 3660 days",
    ),
    "a feature with a blank": ((*ISSUE, "--feature", "a b"), Exit.INPUT, "'a b' is no name of a feature"),
    "a stranger's key": (
        (*ISSUE[:5], "stranger", *ISSUE[6:]),
        Exit.INPUT,
        "the program takes no licences of the key stranger",
    ),
    "the public half": ((*ISSUE[:5], "issuer.pub", *ISSUE[6:]), Exit.INPUT, "holds no private Ed25519 key"),
    "no such key": ((*ISSUE[:5], "nobody", *ISSUE[6:]), Exit.INPUT, "the key nobody cannot be read"),
    "a device that is none": ((*ISSUE[:7], "soc:abc"), Exit.INPUT, "not a source and a fingerprint"),
    "a node that nobody knows": (("issue", "box-9", *ISSUE[2:]), Exit.INPUT, "there is no node `box-9`"),
    "nothing to send": (("send", "box-07"), Exit.INPUT, "the sandbox box-07 is not up"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_and_writes_nothing(project: Digits, cli: Cli, name: str) -> None:
    words, code, told = MISTAKES[name]
    before = sorted((project.folder / "licences").glob("*"))
    check(cli("licence", *words), code, told)
    assert sorted((project.folder / "licences").glob("*")) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, f"there is no licence for {NODE}"),
        (b"\xff\xfe", f"{NODE}.licence is no licence"),
        (b"x" * 9000, f"{NODE}.licence is no licence"),
        (b"hello\n", f"this licence would not hold on {NODE}"),
    ],
)
def test_what_is_no_licence_is_not_sent(project: Digits, cli: Cli, text: bytes | None, told: str) -> None:
    file = project.folder / "licences" / f"{NODE}.licence"
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_bytes(text)
    check(cli("licence", "send", NODE), Exit.INPUT, told)
    file.unlink(missing_ok=True)


MANIFESTS: dict[str, tuple[str, str]] = {
    "no file": ("{key: nowhere.pub}", "there is no nowhere.pub"),
    "the private half": ("{key: issuer}", "issuer holds no public Ed25519 key"),
    "one of two": ("{key: [issuer.pub, data/golden.npz]}", "data/golden.npz holds no public Ed25519 key"),
    "no key": ("{key: []}", "licence.key"),
    "out of the project": ("{key: ../x.pub}", "a path must be relative and stay inside the project"),
    "a grace of years": ("{key: issuer.pub, grace_days: 4000}", "grace_days"),
    "a misspelt word": ("{key: issuer.pub, grace: 14}", "grace"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_held_to_it(project: Digits, cli: Cli, name: str, tmp_path: Path) -> None:
    value, told = MANIFESTS[name]
    file = project.folder / "edgepack.yaml"
    before = file.read_text()
    try:
        file.write_text(before.replace("{key: issuer.pub, grace_days: 7}", value))
        check(cli("licence", "show", NODE), Exit.INPUT, "edgepack.yaml", told)
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("form: app", "form: sdk", "`licence` goes with the forms app and service"),
        ("licence: {key: issuer.pub, grace_days: 7}\n", "", "digits asks for no licence"),
    ],
)
def test_what_goes_without(project: Digits, cli: Cli, old: str, new: str, told: str) -> None:
    before = (project.folder / "edgepack.yaml").read_text()
    try:
        project.rewrite("edgepack.yaml", old, new)
        check(cli("licence", *ISSUE), Exit.INPUT, told)
    finally:
        (project.folder / "edgepack.yaml").write_text(before)
