"""Keys that sign: each gives the key that the public file says, and a signature that holds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgepack.errors import EdgepackError
from edgepack.tools import signers

PASSPHRASE = b"rather long"


def nobody(what: str) -> bytes:
    raise AssertionError(f"asked for the {what}")


def answers(what: str) -> bytes:
    assert what.startswith("passphrase of ")
    return PASSPHRASE


def write(folder: Path, how: form.PrivateFormat, lock: form.KeySerializationEncryption) -> Path:
    """A key's two files, as ssh-keygen writes them."""
    key = Ed25519PrivateKey.generate()
    file = folder / "id"
    file.write_bytes(key.private_bytes(form.Encoding.PEM, how, lock))
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    (folder / "id.pub").write_bytes(public + b" ops@example\n")
    return file


def check(signer: signers.Signer, public: Path) -> None:
    key, name = signers.public(public)
    assert (signer.key, name) == (key, "ops@example")
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signer.sign(b"words"), b"words")


@pytest.mark.parametrize("how", [form.PrivateFormat.OpenSSH, form.PrivateFormat.PKCS8])
@pytest.mark.parametrize("locked", [False, True])
def test_a_file_signs_and_asks_only_where_it_is_locked(
    tmp_path: Path, how: form.PrivateFormat, locked: bool
) -> None:
    lock = form.BestAvailableEncryption(PASSPHRASE) if locked else form.NoEncryption()
    file = write(tmp_path, how, lock)
    check(signers.find(str(file), answers if locked else nobody), tmp_path / "id.pub")
    if locked:
        with pytest.raises(EdgepackError, match="does not open"):
            signers.find(str(file), lambda _: b"wrong")


def test_a_public_key_may_be_pem(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    file = tmp_path / "ops.pem"
    file.write_bytes(key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    assert signers.public(file) == (key.public_bytes_raw().hex(), "ops")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not shutil.which("ssh-agent"):
        pytest.skip("no ssh-agent here")
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < end:
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield
        process.send_signal(signal.SIGTERM)


@pytest.mark.usefixtures("agent")
def test_an_agent_signs_with_the_key_that_is_meant(tmp_path: Path) -> None:
    with pytest.raises(EdgepackError, match="ssh-agent holds no Ed25519 key"):
        signers.find("agent", nobody)
    for name in ("ops@example", "other"):
        folder = tmp_path / name
        folder.mkdir()
        file = write(folder, form.PrivateFormat.OpenSSH, form.NoEncryption())
        file.chmod(0o600)
        # What ssh-add calls a key is the comment inside of its file, or the file's path where there is none.
        (folder / "named").symlink_to("id")
        subprocess.run(
            ["ssh-add", "-q", folder / "named"], check=True, capture_output=True, env=dict(os.environ)
        )
    with pytest.raises(EdgepackError, match="holds 2 Ed25519 keys"):
        signers.find("agent", nobody)
    check(
        signers.find(f"agent:{tmp_path / 'ops@example' / 'named'}", nobody),
        tmp_path / "ops@example" / "id.pub",
    )


def _write(text: bytes) -> object:
    return lambda file: file.write_bytes(text)


def _other_kind(file: Path) -> None:
    key = generate_private_key(SECP256R1())
    file.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))


NOT_KEYS = {
    "not there": (lambda _: None, "cannot be read"),
    "empty": (_write(b""), "no private Ed25519 key"),
    "junk": (_write(b"\x00\xff" * 50), "no private Ed25519 key"),
    "huge": (_write(b" " * (1 << 20)), "too long for a key"),
    "a folder": (Path.mkdir, "cannot be read"),
    "cut": (
        _write(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\n"),
        "no private Ed25519 key",
    ),
    "another kind": (_other_kind, "no private Ed25519 key"),
}


@pytest.mark.parametrize("case", NOT_KEYS)
def test_what_is_no_key_is_told(tmp_path: Path, case: str) -> None:
    make, words = NOT_KEYS[case]
    make(tmp_path / "id")  # type: ignore[operator]
    with pytest.raises(EdgepackError, match=words):
        signers.find(str(tmp_path / "id"), nobody)


@pytest.mark.parametrize(
    "text",
    [b"", b"ssh-ed25519", b"ssh-ed25519 AAAA x", b"ssh-ed25519 \xff\xff x", b"ssh-rsa AAAAB3NzaC1yc2E= x"],
)
def test_what_is_no_public_key_is_told(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "id.pub").write_bytes(text)
    with pytest.raises(EdgepackError, match="public"):
        signers.public(tmp_path / "id.pub")


def test_a_token_whose_library_is_not_said_is_told() -> None:
    with pytest.raises(EdgepackError, match="which library speaks to the token"):
        signers.find("pkcs11:token=edgepack;object=ops", nobody)
