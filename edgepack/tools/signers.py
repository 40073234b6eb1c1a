"""Keys that sign with Ed25519: a file, one that ssh-agent holds, one on a token that speaks PKCS#11.

Each gives its public half and signs bytes; the private half is not kept, and never in words of a command.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from edgepack.errors import InputError, ToolError
from edgepack.tools.runner import command, run

if TYPE_CHECKING:
    import paramiko

_SSH = "ssh-ed25519"
_DER = bytes.fromhex("302a300506032b6570032100")  # a public key's SubjectPublicKeyInfo, RFC 8410
_LENGTH, _SIGNATURE = 32, 64  # bytes, RFC 8032
_PKCS11 = "pkcs11-tool"
_TOKEN_MOST = 1024  # bytes: more goes in parts, which CKM_EDDSA does not know
_TIMEOUT_S = 120.0  # a token may want to be touched
MAX_KEY_FILE = 64 << 10  # bytes


@dataclass(frozen=True)
class Signer:
    """A key that is ready. ``key``: the public half, 64 hexadecimal digits; ``name``: what people call it."""

    key: str
    name: str
    sign: Callable[[bytes], bytes]


def public(path: Path) -> tuple[str, str]:
    """The key in a public key's file, OpenSSH's or PEM: 64 hexadecimal digits, and its comment or file name.

    Raises InputError.
    """
    text = _read(path)
    words = text.decode("utf-8", "replace").split(None, 2)
    if len(words) > 1 and words[0] == _SSH:
        name = words[2].strip() if len(words) == 3 else path.stem
        return _from_blob(words[1], path).hex(), name
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(
            f"{path} holds no public Ed25519 key",
            where=str(path),
            why="the private half was named, or it is of another kind" if words else "it is empty",
            fix="name the .pub file that ssh-keygen -t ed25519 wrote beside the key",
        )
    return key.public_bytes_raw().hex(), path.stem


def find(words: str, secret: Callable[[str], bytes], module: str | None = None) -> Signer:
    """The key that a person means: a private key's path, ``agent``, ``agent:COMMENT``, or a ``pkcs11:`` URI.

    secret: asked for a passphrase or a PIN, with what it is for; only where one is wanted. module: the
    token's library, where the URI does not say its ``module-path``.
    Raises InputError where there is no such key, ToolError where a program for it is not here.
    """
    if words == "agent" or words.startswith("agent:"):
        return _agent(words.removeprefix("agent").removeprefix(":"))
    if words.startswith("pkcs11:"):
        return _token(words, secret, module)
    return _file(Path(words).expanduser(), secret)


def _file(path: Path, secret: Callable[[str], bytes]) -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = _read(path)
    try:
        key = _load(text, None)
    except TypeError:
        key = _load_with(text, secret(f"passphrase of {path}"), path)
    except ValueError as error:
        raise _not_a_key(path, str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "it is of another kind than Ed25519")
    return Signer(key.public_key().public_bytes_raw().hex(), path.name, key.sign)


def _load(text: bytes, passphrase: bytes | None) -> object:
    """Raises TypeError where a passphrase is wanted, ValueError where it is no key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        return load(text, passphrase)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        # OpenSSH's form: cryptography says of a wanted passphrase what it says of a wrong file.
        if passphrase is None and "assword" in str(error):
            raise TypeError(str(error)) from error
        raise


def _load_with(text: bytes, passphrase: bytes, path: Path) -> object:
    try:
        return _load(text, passphrase)
    except (TypeError, ValueError) as error:
        raise InputError(f"the passphrase does not open {path}", where=str(path), fix="try again") from error


def _agent(comment: str) -> Signer:
    with _held() as held:
        fitting = [key for key in held if comment in ("", key.comment)]
        there = ", ".join(repr(key.comment) for key in held) or "none"
        known = [(key.asbytes(), str(key.comment)) for key in fitting]
    if len(known) != 1:
        raise InputError(
            f"ssh-agent holds {len(known)} Ed25519 keys that fit"
            if held
            else "ssh-agent holds no Ed25519 key",
            why=f"there are: {there}",
            fix="ssh-add FILE adds one; --key agent:COMMENT names one of several",
        )
    ((blob, name),) = known
    key = _from_blob(base64.b64encode(blob).decode(), "ssh-agent").hex()
    return Signer(key, name, lambda data: _agent_signs(blob, data))


def _agent_signs(blob: bytes, data: bytes) -> bytes:
    import paramiko

    with _held() as held:
        key = next((key for key in held if key.asbytes() == blob), None)
        if key is None:
            raise ToolError("ssh-agent does not hold the key any more", fix="ssh-add it again")
        said = paramiko.Message(bytes(key.sign_ssh_data(data)))
    if said.get_text() != _SSH:
        raise ToolError("ssh-agent signed with another kind of key than it was asked to")
    return _checked(said.get_binary(), "ssh-agent")


@contextlib.contextmanager
def _held() -> Iterator[list[paramiko.AgentKey]]:
    """The Ed25519 keys of the agent, for as long as the connection to it stands."""
    import paramiko

    try:
        agent = paramiko.Agent()
        try:
            yield [key for key in agent.get_keys() if key.get_name() == _SSH]
        finally:
            agent.close()
    except (paramiko.SSHException, OSError) as error:
        raise ToolError(
            "ssh-agent does not answer", why=str(error), fix="ssh-add -l shows what it holds"
        ) from error


def _token(uri: str, secret: Callable[[str], bytes], module: str | None) -> Signer:
    """RFC 7512's URI: ``object``, ``token``, ``id`` choose. OpenSC's pkcs11-tool speaks to the token."""
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    said = {name: unquote(value) for name, _, value in (part.partition("=") for part in path.split(";"))}
    asked = {name: unquote(value) for name, _, value in (part.partition("=") for part in query.split("&"))}
    library = module or asked.get("module-path")
    if not library:
        raise InputError(
            "which library speaks to the token is not said",
            where=uri,
            fix="add ?module-path=/usr/lib/….so to the URI, or give --pkcs11-module",
        )
    chosen = ["--module", library]
    for name, flag in (("token", "--token-label"), ("object", "--label"), ("id", "--id")):
        if name in said:
            value = said[name] if name != "id" else said[name].encode("latin-1").hex()
            chosen += [flag, value]
    pin = secret(f"PIN of {said.get('token', 'the token')}").decode()
    key = _read_token(chosen, pin, uri)

    def sign(data: bytes) -> bytes:
        if len(data) > _TOKEN_MOST:
            raise ToolError(
                f"{_PKCS11} signs {_TOKEN_MOST} bytes at the most, and this has {len(data)}",
                where=uri,
                fix="fewer keys in one list, or a key in a file or in ssh-agent",
            )
        with tempfile.TemporaryDirectory(prefix="edgepack-sign-") as folder:
            given, made = Path(folder) / "text", Path(folder) / "signature"
            given.write_bytes(data)
            files = ("--input-file", str(given), "--output-file", str(made))
            _tool([*chosen, "--login", "--sign", "--mechanism", "EDDSA", *files], pin, uri)
            return _checked(made.read_bytes(), "the token")

    return Signer(key.hex(), said.get("object", uri), sign)


def _read_token(chosen: list[str], pin: str, uri: str) -> bytes:
    """The public half. OpenSC writes a SubjectPublicKeyInfo, as PEM or bare, or the token's EC_POINT."""
    with tempfile.TemporaryDirectory(prefix="edgepack-sign-") as folder:
        made = Path(folder) / "key"
        words = [*chosen, "--login", "--read-object", "--type", "pubkey", "--output-file", str(made)]
        _tool(words, pin, uri)
        found = made.read_bytes() if made.is_file() else b""
    if found.startswith(b"-----"):
        found = b"".join(line for line in found.splitlines() if not line.startswith(b"-----"))
        found = base64.b64decode(found)
    if found.startswith(_DER) and len(found) == len(_DER) + _LENGTH:
        return found[len(_DER) :]
    if found[:2] == b"\x04\x20" and len(found) == 2 + _LENGTH:
        return found[2:]
    raise InputError("the token's key is not an Ed25519 key", where=uri, fix="choose it with object= or id=")


def _tool(words: list[str], pin: str, uri: str) -> None:
    # The PIN in the environment of that one process: words of a command are for all to read.
    done = run(
        command(_PKCS11, *words, "--pin", "env:EDGEPACK_PIN", env={"EDGEPACK_PIN": pin}, timeout_s=_TIMEOUT_S)
    )
    if not done.ok:
        raise ToolError(
            "the token did not do what it was asked",
            where=uri,
            why=done.text().strip().splitlines()[-1] if done.text().strip() else "",
            fix=f"{_PKCS11} --module … --list-objects --login shows what is on it",
            detail=done.text().strip(),
        )


def _checked(signature: bytes, whose: str) -> bytes:
    if len(signature) != _SIGNATURE:
        raise ToolError(
            f"{whose} gave a signature of {len(signature)} bytes", why=f"Ed25519's have {_SIGNATURE}"
        )
    return signature


def _from_blob(text: str, where: str | Path) -> bytes:
    """The key in an SSH public key's base64, RFC 8709: name and string, each with its length before."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    head = len(_SSH).to_bytes(4, "big") + _SSH.encode() + _LENGTH.to_bytes(4, "big")
    if not data.startswith(head) or len(data) != len(head) + _LENGTH:
        raise InputError(f"{where} holds a damaged public key", where=str(where), fix="copy it again")
    return data[len(head) :]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise InputError(
            f"the key {path} cannot be read",
            why=error.strerror or str(error),
            fix="ssh-keygen -t ed25519 -f FILE makes a key, and FILE.pub beside it",
        ) from error
    if len(text) > MAX_KEY_FILE:
        raise InputError(f"{path} is too long for a key", where=str(path))
    return text


def _not_a_key(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} holds no private Ed25519 key",
        where=str(path),
        why=why,
        fix="ssh-keygen -t ed25519 -f FILE makes one",
    )
