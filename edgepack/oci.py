"""The parts of an OCI image layout that a bundle is made of: blobs, descriptors, the index, JSON.

What is read here may have been made to do harm, so each thing has a limit and one possible form.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepack.errors import InputError

ARTIFACT_TYPE = "application/vnd.edgepack.bundle.v1"
CONFIG_TYPE = "application/vnd.edgepack.bundle.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
REF_KEY = "org.opencontainers.image.ref.name"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}\n'  # the file's own version, also in OCI image-spec 1.1
PLATFORMS: Mapping[str, Mapping[str, str]] = {  # as Go, and so OCI, spells them
    "x86_64": {"architecture": "amd64", "os": "linux"},
    "aarch64": {"architecture": "arm64", "os": "linux", "variant": "v8"},
    "armhf": {"architecture": "arm", "os": "linux", "variant": "v7"},
    "riscv64": {"architecture": "riscv64", "os": "linux"},
}
MAX_JSON = 4 << 20  # bytes
MAX_DEPTH = 32
CHANGED = "its bytes do not have the sha256 that the bundle promises: a bad disk, or tampering"

_HEX = frozenset("0123456789abcdef")


class BundleError(InputError):
    """A bundle's folder is not a bundle, is damaged, or was made to do harm."""


def bad(where: str, what: str, why: str = "") -> BundleError:
    """The error for a bundle that will not be used: ``what`` is wrong with it, at ``where``."""
    return BundleError(
        what,
        where=where,
        why=why or "the bundle is damaged, unfinished, or was not made by edgepack",
        fix="build it again with `edgepack build`, or get it again from where it came",
    )


def is_sha256(text: object) -> bool:
    """Whether this is 64 hexadecimal digits, in lower case."""
    return isinstance(text, str) and len(text) == 64 and _HEX.issuperset(text)


def blob(folder: Path, digest: str) -> Path:
    """Where a layout keeps the blob of a digest, ``sha256:…``."""
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def render_json(value: object) -> bytes:
    """JSON, the same bytes for equal values. Raises ValueError for NaN and half surrogate pairs."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.encode()


def render_index(
    digest: str, size: int, arch: str, version: str, referrers: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """The bytes of ``index.json`` for a manifest's digest and size in bytes, and what refers to it.

    No digest covers the index, so a reader renders it again and compares.
    """
    entry = {
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "digest": digest,
        "size": size,
        "platform": PLATFORMS[arch],
        "annotations": {REF_KEY: version},
    }
    return render_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry, *referrers]})


def index_entry(index: dict[str, Any], where: str) -> tuple[dict[str, Any], list[object]]:
    """The bundle's descriptor in an index, and those of what refers to it."""
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or not manifests or not isinstance(manifests[0], dict):
        raise bad(where, "the index must list a bundle's manifest first")
    return manifests[0], manifests[1:]


def descriptor(entry: Mapping[str, Any], media_type: str, where: str) -> tuple[str, int]:
    """The digest (``sha256:…``) and the size in bytes of what a descriptor points at."""
    digest, size = entry.get("digest"), entry.get("size")
    if entry.get("mediaType") != media_type:
        raise bad(where, f"a descriptor's mediaType is not {media_type}")
    if not isinstance(digest, str) or digest[:7] != "sha256:" or not is_sha256(digest[7:]):
        raise bad(where, "a descriptor's digest is not sha256:<64 hexadecimal digits>")
    if type(size) is not int or size < 0:
        raise bad(where, "a descriptor's size is not a number of bytes")
    return digest, size


def json_blob(
    folder: Path, entry: Mapping[str, Any], media_type: str, named_by: str
) -> tuple[dict[str, Any], str]:
    """The object in the blob that a descriptor in the file ``named_by`` points at, and its path."""
    digest, size = descriptor(entry, media_type, named_by)
    path = blob(folder, digest)
    data = read(path, MAX_JSON)
    if len(data) != size or hashlib.sha256(data).hexdigest() != path.name:
        raise bad(str(path), "this part of the bundle is damaged", CHANGED)
    return parse_json(data, str(path)), str(path)


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """One JSON object, or BundleError: no deep nesting, no key twice, no NaN, no bad UTF-8."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
        render_json(value)  # where a number is infinite or a string no UTF-8, it fails here
        _check_depth(value, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise bad(where, "this JSON cannot be read", str(error)) from error
    if not isinstance(value, dict):
        raise bad(where, "this JSON is not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_depth(value: object, left: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and not left:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    for item in inner:
        _check_depth(item, left - 1)


def read(path: Path, limit: int) -> bytes:
    """A whole small file, or BundleError where it has more than ``limit`` bytes."""
    with open_regular(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise bad(str(path), f"this is longer than the {limit} bytes that it may have")
    return data


def open_regular(path: Path) -> io.BufferedReader:
    """A regular file, opened for reading: a link is not followed, a pipe does not hold us up."""
    try:
        stream = open(path, "rb", opener=_opener)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        why = f"{error.strerror}; the bundle is unfinished, damaged, or not one"
        raise bad(str(path), "a part of the bundle cannot be opened", why) from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise bad(str(path), "a part of the bundle is not a regular file")
    return stream


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
