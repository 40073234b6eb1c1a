"""Who vouches for a release: a few lines of text, signed with Ed25519, and how a bundle's folder keeps them.

A signature is outside the bundle's digest: an OCI referrer, a manifest with the bundle's as its ``subject``,
listed in the layout's index beside it. What is signed, and who checks it: docs/design/ship-plan.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.oci import (
    ARTIFACT_TYPE,
    MANIFEST_TYPE,
    bad,
    blob,
    descriptor,
    is_sha256,
    json_blob,
    read,
    render_json,
)

SIGNATURE_TYPE = "application/vnd.edgepack.signature.v1"
TEXT_TYPE = "text/vnd.edgepack.release.v1"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"  # OCI image-spec 1.1, "guidance for an empty descriptor"
EMPTY = b"{}"
KEY_KEY = "dev.edgepack.signature.key"
VALUE_KEY = "dev.edgepack.signature.value"
MAX_SIGNATURES = 16
MAX_TEXT = 4096  # bytes
MAX_SERIAL = 10**12 - 1
_FIRST = "edgepack-release 1"
_FIELDS = ("app", "version", "target", "release", "files", "serial", "helper")
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Statement:
    """What is signed of a release. A box recomputes ``files``, and believes the rest.

    release: the bundle's digest; files: sha256 of the list of files that a box stages, both 64 hexadecimal
    digits; serial: grows with each signature, seconds since 1970 mostly; helper: sha256 of the program that
    may be installed on a box to receive this release, or "".
    """

    app: str
    version: str
    target: str
    release: str
    files: str
    serial: int
    helper: str = ""

    def text(self) -> bytes:
        """The bytes that are signed: a line each."""
        said = ((name, getattr(self, name)) for name in _FIELDS)
        lines = [_FIRST, *(f"{name} {value}" for name, value in said if value != "")]
        return "".join(f"{line}\n" for line in lines).encode("ascii")


def parse(text: bytes) -> Statement:
    """The statement that these bytes are. Raises ValueError where they are none, or one spelt otherwise."""
    first, *lines = text.decode("ascii").splitlines()
    said = dict(line.partition(" ")[::2] for line in lines)
    if first != _FIRST or not set(_FIELDS[:-1]) <= said.keys() <= set(_FIELDS):
        raise ValueError("it is not a statement about a release")
    if not said["serial"].isdigit() or int(said["serial"]) > MAX_SERIAL:
        raise ValueError("its serial is not a number")
    if not all(is_sha256(said[name]) for name in ("release", "files", "helper") if name in said):
        raise ValueError("a digest in it is none")
    found = Statement(**{**said, "serial": int(said["serial"])})  # type: ignore[arg-type]
    if found.text() != text:
        raise ValueError("it is spelt in another way than edgepack does")
    return found


@dataclass(frozen=True)
class Signature:
    """A statement's bytes with one key's signature; ``key`` 64 and ``value`` 128 hexadecimal digits."""

    text: bytes
    key: str
    value: str

    @property
    def statement(self) -> Statement:
        """What it says. Raises ValueError."""
        return parse(self.text)


def holds(signature: Signature) -> bool:
    """Whether the key that it names made it: RFC 8032's Ed25519."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key))
        key.verify(bytes.fromhex(signature.value), signature.text)
    except (InvalidSignature, ValueError):
        return False
    return True


def referrer(signature: Signature, subject: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A signature as OCI has it: its descriptor for an index, and its blobs by their digests (``sha256:…``).

    subject: the bundle's manifest, by its digest and size.
    """
    text = {
        **_described(TEXT_TYPE, signature.text),
        "annotations": {KEY_KEY: signature.key, VALUE_KEY: signature.value},
    }
    manifest = render_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": SIGNATURE_TYPE,
            "config": _described(EMPTY_TYPE, EMPTY),
            "layers": [text],
            "subject": {
                "mediaType": MANIFEST_TYPE,
                "artifactType": ARTIFACT_TYPE,
                "digest": subject["digest"],
                "size": subject["size"],
            },
        }
    )
    entry = {**_described(MANIFEST_TYPE, manifest), "artifactType": SIGNATURE_TYPE}
    return entry, {_digest(data): data for data in (manifest, signature.text, EMPTY)}


def read_all(
    folder: Path, entries: Sequence[object], subject: Mapping[str, Any], where: str
) -> tuple[Signature, ...]:
    """The signatures that an index lists. Raises BundleError for what ``referrer`` would not have made.

    Whether a key made its signature is another question: ``holds``.
    """
    if len(entries) > MAX_SIGNATURES:
        raise bad(where, f"the index lists more than {MAX_SIGNATURES} signatures")
    found = tuple(_read(folder, entry, subject, where) for entry in entries)
    if len({one.key for one in found}) != len(found):
        raise bad(where, "the index lists two signatures of one key")
    if list(entries) != sorted_entries(found, subject):
        raise bad(where, "the index does not list its signatures as edgepack does")
    return found


def sorted_entries(signatures: Sequence[Signature], subject: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Their descriptors, in the order in which an index has them."""
    return sorted((referrer(one, subject)[0] for one in signatures), key=lambda entry: str(entry["digest"]))


def _read(folder: Path, entry: object, subject: Mapping[str, Any], where: str) -> Signature:
    if not isinstance(entry, dict):
        raise bad(where, "an entry of the index is no descriptor")
    manifest, place = json_blob(folder, entry, MANIFEST_TYPE, where)
    try:
        (layer,) = manifest["layers"]
        named, value = layer["annotations"][KEY_KEY], layer["annotations"][VALUE_KEY]
        digest, _ = descriptor(layer, TEXT_TYPE, place)
        if not (_hex(named, 64) and _hex(value, 128)):
            raise ValueError("key or signature are not hexadecimal digits")
        signature = Signature(read(blob(folder, digest), MAX_TEXT), named, value)
        said = signature.statement
    except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise bad(place, "this is not a signature of a bundle", str(error)) from error
    if referrer(signature, subject)[0]["digest"] != entry["digest"]:
        raise bad(place, "this is not what signing the bundle writes")
    if f"sha256:{said.release}" != subject["digest"]:
        raise bad(place, "this signature is of another bundle")
    return signature


def _described(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _hex(text: object, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and _HEX.issuperset(text)
