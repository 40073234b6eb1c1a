"""A key on a token, which SoftHSM plays: it never leaves it, and what it signs holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgepack.errors import ToolError
from edgepack.tools import signers
from edgepack.tools.runner import command, run

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "1234"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "tokens").mkdir()
    settings = tmp_path / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    label = ("--token-label", "edgepack")
    kind = ("--key-type", "EC:edwards25519", "--label", "ops")
    for argv in (
        ("softhsm2-util", "--init-token", "--free", "--label", "edgepack", "--pin", PIN, "--so-pin", "5678"),
        ("pkcs11-tool", "--module", MODULE, *label, "--login", "--pin", PIN, "--keypairgen", *kind),
    ):
        done = run(command(*argv))
        assert done.ok, done.text()
    return "pkcs11:token=edgepack;object=ops"


@pytest.mark.parametrize("said", ["in the URI", "as a flag"])
def test_a_token_signs(token: str, said: str) -> None:
    asked: list[str] = []

    def secret(what: str) -> bytes:
        asked.append(what)
        return PIN.encode()

    if said == "as a flag":
        signer = signers.find(token, secret, str(MODULE))
    else:
        signer = signers.find(f"{token}?module-path={MODULE}", secret)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.key))
    for words in (b"words", b"w" * 1024):
        key.verify(signer.sign(words), words)
    with pytest.raises(ToolError, match="1024 bytes at the most, and this has 1025"):
        signer.sign(b"w" * 1025)
    assert asked == ["PIN of edgepack"]
    assert signer.name == "ops"


@pytest.mark.parametrize(
    ("uri", "pin"),
    [
        ("pkcs11:token=edgepack;object=ops", "9999"),
        ("pkcs11:token=edgepack;object=none", PIN),
        ("pkcs11:token=x", PIN),
    ],
)
@pytest.mark.usefixtures("token")
def test_a_wrong_pin_and_a_key_that_is_not_there_are_told(uri: str, pin: str) -> None:
    with pytest.raises(ToolError, match="the token did not do what it was asked") as caught:
        signers.find(uri, lambda _: pin.encode(), str(MODULE))
    assert pin not in f"{caught.value.what}{caught.value.why}{caught.value.detail}"
