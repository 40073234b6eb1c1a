"""``edgepack key``: made, shown, brought, wrapped; what a manifest and a plan refuse, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edgepack.errors import Exit
from edgepack.model.sealed import read_key, write_key
from edgepack.sandbox import box as sandbox
from edgepack.ship.model_key import HARDWARE, judge
from edgepack.tools.qemu import host_arch
from tests import digits
from tests.cli.told import Cli, check
from tests.digits import Digits
from tests.model_keys import KEY, STRANGER

NODE = "box-1"
DEVICE = f"soc:{'a' * 64}"
SAID = f'encryption: {{id: "{KEY.id}", key: {{file: digits.key}}, device: any}}\n'


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    """The example with a key, and a box."""
    project = digits.copy(tmp_path_factory.mktemp("encrypted") / "digits", tmp_path_factory.mktemp("cache"))
    (project.folder / "digits.key").write_bytes(write_key(KEY))
    project.rewrite("edgepack.yaml", "targets:\n", f"{SAID}targets:\n")
    try:
        sandbox.up(project.folder, NODE, host_arch(), host_arch(), lambda *_: None, "builtin")
        yield project
    finally:
        sandbox.down(project.folder, NODE)


@pytest.fixture
def project(encrypted: Digits, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digits]:
    """With the manifest as it was, whatever a test writes there."""
    monkeypatch.chdir(encrypted.folder)
    before = (encrypted.folder / "edgepack.yaml").read_text()
    yield encrypted
    (encrypted.folder / "edgepack.yaml").write_text(before)


def test_a_key_is_made_once(project: Digits, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "new.key"
    said = cli("key", "new", str(file))
    assert said.code == 0, said
    key = read_key(file.read_bytes())
    assert f'encryption: {{id: "{key.id}", key: {{file: {file}}}}}\n' in said.out
    assert key.value.hex() not in said.out
    assert file.stat().st_mode & 0o777 == 0o600
    check(cli("key", "new", str(file)), Exit.INPUT, "it is there already")
    assert read_key(file.read_bytes()) == key
    assert cli("key", "new", str(tmp_path / "keys" / "x")).code == 0
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    check(cli("key", "new", str(file / "x")), Exit.INPUT, str(file / "x"), "do:")


def test_one_is_shown_brought_and_wrapped(project: Digits, cli: Cli) -> None:
    assert cli("key", "show").out == f"{KEY.id}: it is here, and edgepack.yaml names it\n"
    shown = cli("key", "show", NODE)
    missing = f"{NODE}: the model is encrypted, and its key {KEY.id} is not on this box\n"
    assert shown.out.startswith(f"{missing}  what a key is bound to there: ")
    assert cli("key", "send", NODE).out == f"{NODE}: the key {KEY.id}; it has it now\n"
    assert cli("key", "send", NODE).out == f"{NODE}: the key {KEY.id}; it had it already\n"
    told = cli("key", "show", NODE, "--json").json()
    assert (told["state"], told["refused"]) == ("opens", None)
    assert told["device"].startswith(f"{told['bound_to']}:")
    file = project.folder / "keys" / f"{NODE}.key"
    assert cli("key", "wrap", NODE).code == 0
    source, fingerprint = told["device"].split(":")
    assert judge(file.read_text().strip(), "digits", KEY.id, [(source, fingerprint)]).state == "opens"
    assert cli("key", "wrap", NODE, "--device", DEVICE).code == 0
    assert f" {KEY.id} soc " in file.read_text()


def test_hardware_is_asked_for_where_the_manifest_says_nothing(project: Digits, cli: Cli) -> None:
    project.rewrite("edgepack.yaml", ", device: any}", "}")
    if device := cli("key", "show", NODE, "--json").json()["device"]:  # root on a PC may read its mainboard's
        assert device.split(":")[0] in HARDWARE
        return
    words = "a key cannot be bound to this box"
    check(cli("key", "send", NODE), Exit.INPUT, words, "`encryption: {device: any}`")
    check(cli("key", "wrap", NODE), Exit.INPUT, words)
    assert cli("key", "wrap", NODE, "--device", DEVICE).code == 0


# What the manifest says instead, the command, its exit code and words.
MISTAKES: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "no encryption": ("", ("show",), Exit.INPUT, "the models of digits are not encrypted"),
    "an id of other letters": (SAID.replace(KEY.id, "x" * 16), ("show",), Exit.INPUT, "encryption.id"),
    "no id": (SAID.replace(f'id: "{KEY.id}", ', ""), ("show",), Exit.INPUT, "encryption.id"),
    "two ways": (SAID.replace("{file:", "{env: KEY, file:"), ("show",), Exit.INPUT, "one of env, file"),
    "no such device": (SAID.replace("any", "some"), ("show",), Exit.INPUT, "encryption.device"),
    "another key": (
        SAID.replace(KEY.id, STRANGER.id),
        ("send", NODE),
        Exit.INPUT,
        f"the key of the encrypted model is {KEY.id}, and edgepack.yaml says {STRANGER.id}",
    ),
    "no file": (SAID.replace("digits.key", "none.key"), ("show",), Exit.INPUT, "none.key cannot be read"),
    "no variable": (
        SAID.replace("file: digits.key", "env: EDGEPACK_NO_KEY"),
        ("show",),
        Exit.INPUT,
        "the secret encryption.key is not to be had: the variable EDGEPACK_NO_KEY is not set",
    ),
    "another file": (
        SAID.replace("digits.key", "edgepack.yaml"),
        ("show",),
        Exit.INPUT,
        "the key of the encrypted model is none",
    ),
    "a device that is none": (SAID, ("wrap", NODE, "--device", "soc:abc"), Exit.USAGE, "SOURCE:FINGERPRINT"),
    "an sdk": (f"{SAID}form: sdk\n", ("show",), Exit.INPUT, "`encryption` goes with the forms"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(project: Digits, cli: Cli, name: str) -> None:
    said, words, code, told = MISTAKES[name]
    if "form: sdk" in said:
        project.rewrite("edgepack.yaml", "form: app\n", "")
    project.rewrite("edgepack.yaml", SAID, said)
    check(cli("key", *words), code, told)


def test_a_licence_names_another_source(project: Digits, cli: Cli) -> None:
    private = Ed25519PrivateKey.generate()
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (project.folder / "issuer").write_bytes(private.private_bytes(*form))
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (project.folder / "issuer.pub").write_bytes(public + b" who@example\n")
    project.rewrite("edgepack.yaml", "targets:\n", "licence: {key: issuer.pub}\ntargets:\n")
    issue = ("licence", "issue", NODE, "--until", "2099-12-31", "--key", "issuer")
    check(cli(*issue, "--device", DEVICE), Exit.INPUT, f"a licence cannot name the soc of {NODE}")
    said = cli(*issue)
    assert said.code == 0, said
    licence = (project.folder / "licences" / f"{NODE}.licence").read_text()
    assert "device machine-id " in licence or "device mac " in licence


def test_a_build_without_the_key_compiles_nothing(project: Digits, cli: Cli) -> None:
    project.rewrite("edgepack.yaml", "digits.key", "none.key")
    check(cli("build", "x86_64"), Exit.INPUT, "the secret encryption.key is not to be had")
    assert not (project.folder / ".edgepack" / "build").exists()


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("rk3588: {runtime: rknn}", "edgepack's program gives rknn its model as a file"),
        ("jetson-orin-nx: {runtime: tensorrt}", "edgepack's program gives tensorrt its model as a file"),
    ],
)
def test_a_runtime_that_takes_a_path_is_refused_at_plan(
    project: Digits, cli: Cli, target: str, told: str
) -> None:
    project.rewrite("edgepack.yaml", "  x86_64: {}\n", f"  {target}\n")
    check(
        cli("plan", target.partition(":")[0]),
        Exit.INPUT,
        "the model cannot be encrypted for",
        told,
        "litert, ncnn, onnxruntime, openvino",
    )


def test_no_container_gets_one(project: Digits, cli: Cli) -> None:
    check(cli("export", "compose", "box-07"), Exit.INPUT, "are encrypted, and open in no container")
