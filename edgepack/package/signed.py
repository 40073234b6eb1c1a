"""Signatures into a bundle's folder, beside what they are of."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepack.bundle import Bundle, BundleError, listing, open_bundle
from edgepack.oci import MANIFEST_TYPE, blob, render_index
from edgepack.package import blobs
from edgepack.package.errors import CannotWrite, PackageError
from edgepack.signature import MAX_SIGNATURES, Signature, Statement, referrer, sorted_entries


def kept(folder: Path, digest: str) -> tuple[Signature, ...]:
    """The signatures of the bundle in ``folder``, where it is the one of this digest."""
    try:
        bundle = open_bundle(folder)
    except BundleError:
        return ()
    return bundle.signatures if bundle.digest == digest else ()


def statement(bundle: Bundle, serial: int | None, helper: str) -> Statement:
    """What is to be signed of a bundle. ``serial``: the time else, or one more than it was signed with."""
    newest = max((one.statement.serial for one in bundle.signatures), default=0)
    return Statement(
        app=bundle.name,
        version=bundle.version,
        target=bundle.target,
        release=bundle.digest.removeprefix("sha256:"),
        files=hashlib.sha256(listing(bundle.files)).hexdigest(),
        serial=max(int(time.time()), newest + 1) if serial is None else serial,
        helper=helper,
    )


def add(bundle: Bundle, signature: Signature) -> Bundle:
    """Put a signature into the bundle's folder, in the place of an older one of the same key.

    The index is renamed over the old one last. Raises CannotWrite, and PackageError where there are too many.
    """
    signatures = [one for one in bundle.signatures if one.key != signature.key] + [signature]
    if len(signatures) > MAX_SIGNATURES:
        raise PackageError(
            f"a bundle holds {MAX_SIGNATURES} signatures at the most", where=str(bundle.folder)
        )
    size = blob(bundle.folder, bundle.digest).stat().st_size
    subject = {"mediaType": MANIFEST_TYPE, "digest": bundle.digest, "size": size}
    entries = sorted_entries(signatures, subject)
    try:
        write_blobs(bundle.folder, signatures, subject)
        index = render_index(bundle.digest, size, bundle.arch, bundle.version, entries)
        blobs.write(bundle.folder / "index.json", [index])
    except OSError as error:
        raise CannotWrite(
            f"the signature cannot be written to {bundle.folder}",
            why=error.strerror or str(error),
            fix="make room there, or make the folder writable",
        ) from error
    return open_bundle(bundle.folder)


def write_blobs(folder: Path, signatures: Sequence[Signature], subject: Mapping[str, Any]) -> set[str]:
    """Write what signatures consist of; the names of their blobs."""
    found = {digest: data for one in signatures for digest, data in referrer(one, subject)[1].items()}
    for digest, data in found.items():
        blobs.write_once(blob(folder, digest), lambda data=data: iter([data]))  # type: ignore[misc]
    return {digest.removeprefix("sha256:") for digest in found}
