"""Who vouches for an image, and that image, bills and provenance are what was signed.

Nothing of what is read is believed: each manifest and each paper is compared with its digest, a signature
holds for what it names alone, and what it names must be there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack.oci import (
    INDEX_TYPE,
    MANIFEST_TYPE,
    MAX_JSON,
    REF_KEY,
    BundleError,
    blob,
    descriptor,
    is_sha256,
    parse_json,
    read,
)
from edgepack.package import image_merged
from edgepack.package.errors import PackageError
from edgepack.package.image_papers import DSSE, IN_TOTO, STATEMENT, pae, tag_of

_MOST_PLATFORMS = 64
Fetch = Callable[
    [str], bytes | None
]  # a tag or a digest → its bytes, None where there is nothing of that name


@dataclass(frozen=True)
class Source:
    """Where an image is. ``manifest``: what a tag or a digest stands for; ``paper``: the bytes of a paper.

    at: for people. layers: whether the layers lie there too, to be compared.
    """

    at: str
    manifest: Fetch
    paper: Callable[[str, str], Path]  # (tag of the list, digest of a blob) → a file, not believed
    layers: Path | None = None


@dataclass(frozen=True)
class Signed:
    """One signature: by which key, whether it holds, and the digests that it vouches for."""

    key: str
    holds: bool
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Checked:
    """The index or one platform's image, and what refers to it."""

    what: str
    digest: str
    signatures: tuple[Signed, ...]
    papers: Mapping[str, str] = field(default_factory=dict)  # digest of a paper's bytes → its kind

    @property
    def keys(self) -> tuple[str, ...]:
        """Who vouches for this very image."""
        return tuple(one.key for one in self.signatures if one.holds and self.digest in one.names)

    def missing(self, images: Set[str]) -> tuple[str, ...]:
        """What those who vouch for it signed with it, and is not there. images: the digests of all images."""
        there = {*images, *self.papers}
        good = [one for one in self.signatures if one.holds and self.digest in one.names]
        return tuple(sorted({name for one in good for name in one.names} - there))

    def unsigned(self) -> tuple[str, ...]:
        """The kinds of papers that none of those vouches for."""
        good = {name for one in self.signatures if one.key in self.keys and one.holds for name in one.names}
        return tuple(kind for digest, kind in self.papers.items() if digest not in good)


def verify(source: Source, tag: str) -> list[Checked]:
    """What ``tag`` leads to: the index where it is one, then each image of it. Raises PackageError."""
    try:
        data = source.manifest(tag)
        if data is None:
            raise PackageError(f"there is no image {tag}", where=source.at)
        top = parse_json(_small(data, source.at), source.at)
        found = [_checked(source, "index" if _is_index(top) else "image", _sha(data))]
        for entry in _platforms(top, source.at) if _is_index(top) else ():
            digest, _ = descriptor(entry, MANIFEST_TYPE, source.at)
            found.append(_checked(source, _told(entry), digest))
            _image(source, digest)
        if not _is_index(top):
            _image(source, _sha(data))
    except BundleError as error:
        raise PackageError(
            "the image is not what its digests say", where=error.where or source.at, why=error.what
        ) from error
    return found


def of_layout(folder: Path) -> Source:
    """An image in an OCI layout, its layers too."""
    index = parse_json(read(folder / "index.json", MAX_JSON), str(folder / "index.json"))
    tags = {
        one.get("annotations", {}).get(REF_KEY): one.get("digest")
        for one in index.get("manifests", [])
        if isinstance(one, dict) and isinstance(one.get("annotations", {}), dict)
    }

    def manifest(name: str) -> bytes | None:
        digest = name if name.startswith("sha256:") else tags.get(name)
        if not isinstance(digest, str) or not is_sha256(digest[7:]) or not blob(folder, digest).is_file():
            return None
        return read(blob(folder, digest), MAX_JSON)

    return Source(str(folder), manifest, lambda _tag, digest: blob(folder, digest), folder)


def _checked(source: Source, what: str, digest: str) -> Checked:
    tag = tag_of(digest)
    listed = source.manifest(tag)
    signatures: list[Signed] = []
    papers: dict[str, str] = {}
    for entry in image_merged.entries(listed, f"{source.at}, {tag}") if listed is not None else ():
        if entry["mediaType"] != MANIFEST_TYPE:
            continue
        manifest = _object(source, entry["digest"])
        subject = manifest.get("subject")
        if not isinstance(subject, dict) or subject.get("digest") != digest:
            raise PackageError(f"a paper in the list of {what} refers to something else", where=source.at)
        for one in manifest.get("layers", []):
            data = _paper(source, tag, one)
            kind = str(one["mediaType"])
            if kind == DSSE:
                signatures += _signatures(data)
            else:
                papers[_sha(data)] = kind
    return Checked(what, digest, tuple(signatures), papers)


def _image(source: Source, digest: str) -> None:
    """Its configuration and its layers, where they lie."""
    manifest = _object(source, digest)
    if source.layers is None:
        return
    for one in [manifest.get("config"), *manifest.get("layers", [])]:
        if not isinstance(one, dict):
            raise PackageError("an image's manifest is none", where=source.at)
        name, size = descriptor(one, str(one.get("mediaType")), source.at)
        _whole(blob(source.layers, name), name, size)


def _whole(path: Path, digest: str, size: int) -> None:
    whole, found = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while part := stream.read(1 << 20):
                whole.update(part)
                found += len(part)
    except OSError as error:
        raise PackageError("a part of the image is not there", where=str(path)) from error
    if found != size or whole.hexdigest() != digest[7:]:
        raise PackageError(
            "a part of the image is damaged",
            where=str(path),
            why="its bytes are not those that its digest names",
        )


def _object(source: Source, digest: str) -> dict[str, Any]:
    data = source.manifest(digest)
    if data is None:
        raise PackageError(f"{digest[:19]}… is listed and not there", where=source.at)
    if _sha(_small(data, source.at)) != digest:
        raise PackageError(f"what is served as {digest[:19]}… is something else", where=source.at)
    return parse_json(data, source.at)


def _paper(source: Source, tag: str, entry: Any) -> bytes:
    if not isinstance(entry, dict) or not isinstance(entry.get("mediaType"), str):
        raise PackageError("a paper's manifest is none", where=source.at)
    digest, size = descriptor(entry, entry["mediaType"], source.at)
    data = read(source.paper(tag, digest), MAX_JSON)
    if len(data) != size or _sha(data) != digest:
        raise PackageError(f"a paper is damaged: {entry['mediaType']}", where=source.at)
    return data


def _signatures(envelope: bytes) -> Iterator[Signed]:
    """Of a DSSE envelope over an in-toto statement; one that is none holds for nothing."""
    try:
        found = parse_json(envelope, "the envelope")
        payload = base64.b64decode(found["payload"], validate=True)
        statement = parse_json(payload, "the statement")
        known = found["payloadType"] == IN_TOTO and statement.get("_type") == STATEMENT
        names = (
            frozenset(f"sha256:{one['digest']['sha256']}" for one in statement["subject"]) if known else ()
        )
        rows: Sequence[Any] = found["signatures"]
        for row in rows[:16]:
            key, value = str(row["keyid"]), base64.b64decode(row["sig"], validate=True)
            yield Signed(key, _holds(key, value, pae(IN_TOTO, payload)), frozenset(names))
    except (KeyError, TypeError, ValueError, binascii.Error, BundleError):
        yield Signed("", holds=False)


def _holds(key: str, value: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(value, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_index(top: Mapping[str, Any]) -> bool:
    return top.get("mediaType") == INDEX_TYPE


def _platforms(top: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    listed = top.get("manifests")
    if not isinstance(listed, list) or len(listed) > _MOST_PLATFORMS:
        raise PackageError("the index lists no images", where=where)
    if not all(isinstance(one, dict) for one in listed):
        raise PackageError("the index lists something else than images", where=where)
    return listed


def _told(entry: Mapping[str, Any]) -> str:
    platform = entry.get("platform")
    known = platform if isinstance(platform, dict) else {}
    return "/".join(str(known[key]) for key in ("os", "architecture", "variant") if key in known) or "image"


def _small(data: bytes, where: str) -> bytes:
    if len(data) > MAX_JSON:
        raise PackageError("a manifest is too large to be one", where=where)
    return data


def _sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
