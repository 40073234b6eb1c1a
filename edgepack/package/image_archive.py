"""One file for `docker load`, `podman load` and skopeo: a layout in a tar, with docker's list beside it.

Old engines read ``manifest.json`` alone, newer ones and podman ``index.json``; both name the same blobs. The
name is in three places, since each reads another: ``RepoTags``, containerd's annotation, OCI's.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from edgepack.oci import INDEX_TYPE, LAYOUT, REF_KEY, blob, render_json
from edgepack.package import blobs
from edgepack.package.image import Image, TargetImage, tag_of

CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class Archive:
    """What is in one: small files by their names, and blobs of the layout by their digests."""

    name: str  # what the engine calls the image, with its tag
    texts: Mapping[str, bytes]
    blobs: frozenset[str]


def of_target(one: TargetImage, repository: str) -> Archive:
    """The archive of one platform. repository: what the engine calls it, without a tag."""
    name = qualified(f"{repository}:{one.tag}")
    listed = {"Config": _at(str(one.config["digest"])), "RepoTags": [name]}
    small = {
        "manifest.json": render_json([{**listed, "Layers": [_at(layer.digest) for layer in one.layers]}])
    }
    wanted = {str(one.manifest["digest"]), str(one.config["digest"])} | {la.digest for la in one.layers}
    return Archive(name, {**_texts(one.manifest, name, one.tag), **small}, frozenset(wanted))


def write_target(image: Image, one: TargetImage, repository: str, file: Path) -> Path:
    """The same, into a file."""
    return _write(image.folder, of_target(one, repository), file)


def write_whole(image: Image, repository: str, file: Path) -> Path:
    """The archive of the index with all its platforms, for stores that keep an index."""
    assert image.index is not None
    wanted = {str(image.index["digest"])}
    for one in image.targets:
        if one.in_index:
            wanted |= {str(one.manifest["digest"]), str(one.config["digest"])}
            wanted |= {layer.digest for layer in one.layers}
    tag = tag_of(image.version)
    name = qualified(f"{repository}:{tag}")
    return _write(image.folder, Archive(name, _texts(image.index, name, tag), frozenset(wanted)), file)


def _texts(entry: Mapping[str, Any], name: str, tag: str) -> dict[str, bytes]:
    named = {**entry, "annotations": {CONTAINERD_NAME: name, REF_KEY: tag}}
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [named]}
    return {"oci-layout": LAYOUT, "index.json": render_json(index)}


def _write(layout: Path, archive: Archive, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with blobs.beside(file) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, data in archive.texts.items():
            tar.addfile(_info(member, len(data)), BytesIO(data))
        for digest in sorted(archive.blobs):
            with blob(layout, digest).open("rb") as stream:
                size = blob(layout, digest).stat().st_size
                tar.addfile(_info(_at(digest), size), stream)
    return file


def qualified(name: str) -> str:
    """A name with its registry; ``localhost`` where it names none, as podman calls what it loads.

    So it has the same name everywhere: docker 26 with containerd's store takes what it is told as it is, and
    does not find a short name again.
    What comes before the first slash is a registry where it is ``localhost`` or has a dot or a colon:
    https://pkg.go.dev/github.com/distribution/reference.
    """
    first, slash, _ = name.partition("/")
    if slash and (first == "localhost" or set(".:") & set(first)):
        return name
    return f"localhost/{name}"


def _at(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.size = 0o644, size
    return info
