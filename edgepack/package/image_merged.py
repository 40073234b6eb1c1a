"""What refers to an image, where a registry lists some under its tag already: both, and nothing is lost.

Somebody else's signature is there too. "Unavailable Referrers API" in
https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md has a client fetch the list, add to it
and push it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgepack.oci import (
    INDEX_TYPE,
    LAYOUT,
    MANIFEST_TYPE,
    REF_KEY,
    BundleError,
    blob,
    descriptor,
    json_blob,
    parse_json,
    render_json,
)
from edgepack.package.errors import PackageError
from edgepack.package.image_layers import add, take

_MOST = 256  # papers of one image


def entries(data: bytes, where: str) -> list[dict[str, Any]]:
    """The descriptors in a list that came from a registry. Raises PackageError."""
    try:
        found = parse_json(data, where)
        listed = found.get("manifests")
        if not isinstance(listed, list) or len(listed) > _MOST:
            raise PackageError("what the registry has under that tag is no list of papers", where=where)
        for one in listed:
            if not isinstance(one, dict) or one.get("mediaType") not in (MANIFEST_TYPE, INDEX_TYPE):
                raise PackageError("what the registry lists there are not all manifests", where=where)
            descriptor(one, one["mediaType"], where)
    except BundleError as error:
        raise PackageError(
            "what the registry has under that tag cannot be read", where=where, why=error.what
        ) from error
    return listed


def merge(ours: Path, tag: str, theirs: Path, listed: bytes, dest: Path) -> int:
    """Write a layout ``dest`` whose ``tag`` lists our papers and theirs; how many were theirs alone.

    ours: the image's layout; theirs: one with all that the registry listed; listed: the list as it served it.
    """
    index = json.loads((ours / "index.json").read_bytes())
    entry = next(one for one in index["manifests"] if one["annotations"][REF_KEY] == tag)
    own = json_blob(ours, entry, INDEX_TYPE, str(ours / "index.json"))[0]["manifests"]
    known = {one["digest"] for one in own}
    added = [one for one in entries(listed, tag) if one["digest"] not in known]
    for one in own:
        _bring(ours, one, dest)
    for one in added:
        _bring(theirs, one, dest)
    data = render_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [*own, *added]})
    digest, size = add(dest, [data])
    named = {"mediaType": INDEX_TYPE, "digest": digest, "size": size, "annotations": {REF_KEY: tag}}
    (dest / "oci-layout").write_bytes(LAYOUT)
    (dest / "index.json").write_bytes(
        render_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [named]})
    )
    return len(added)


def _bring(source: Path, entry: Mapping[str, Any], dest: Path) -> None:
    """A manifest and all that it names, every byte compared with its digest."""
    manifest, where = json_blob(source, entry, str(entry["mediaType"]), str(source))
    take(blob(source, entry["digest"]), dest, entry["digest"], entry["size"])
    below = [manifest.get("config"), *manifest.get("layers", [])]
    for one in [*below, *manifest.get("manifests", [])]:
        if isinstance(one, dict):
            digest, size = descriptor(one, str(one.get("mediaType")), where)
            take(blob(source, digest), dest, digest, size)
