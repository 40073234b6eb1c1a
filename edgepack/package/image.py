"""Writes a container image from bundles: an OCI layout with an index, the same bytes for the same bundles.

Nothing is executed, and nothing of a layer is unpacked: no daemon, no root, no emulator. Why it looks as it
does: docs/design/image-plan.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack.bundle import Bundle, open_bundle
from edgepack.oci import INDEX_TYPE, LAYOUT, MANIFEST_TYPE, PLATFORMS, REF_KEY, blob, render_json
from edgepack.package import blobs, image_layers, image_papers
from edgepack.package.errors import CannotWrite, PackageError
from edgepack.package.image_base import Base, lay
from edgepack.package.image_config import Runs, image_config
from edgepack.package.image_layers import ImageLayer, add

IMAGE_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_TITLE, _VERSION = "org.opencontainers.image.title", "org.opencontainers.image.version"
_BASE_NAME, _BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


@dataclass(frozen=True)
class Part:
    """One target's part of an image: its bundle and what lies below it."""

    bundle: Bundle
    base: Base


@dataclass(frozen=True)
class ImageSpec:
    """What an image is made of. ``parts``: one a target; all of one project in one version.

    annotations: beside edgepack's own, for the index and for each manifest, and labels of each configuration.
    """

    parts: Sequence[Part]
    runs: Runs = field(default_factory=Runs)
    annotations: Mapping[str, str] = field(default_factory=dict)
    gzip: bool = False
    lock: Mapping[str, Any] = field(default_factory=dict)  # edgepack.lock's `targets`
    sign: image_papers.Sign | None = None

    @property
    def name(self) -> str:
        return self.parts[0].bundle.name

    @property
    def version(self) -> str:
        return self.parts[0].bundle.version


@dataclass(frozen=True)
class TargetImage:
    """One target's image in the layout. ``tag`` is its own; ``in_index``: the common tag leads to it, too."""

    target: str
    tag: str
    manifest: Mapping[str, Any]  # its descriptor, with its platform
    config: Mapping[str, Any]  # its configuration's descriptor
    layers: tuple[ImageLayer, ...]
    bundle: Bundle
    base: str
    in_index: bool
    papers: tuple[Mapping[str, Any], ...]  # descriptors of what refers to it
    papers_index: Mapping[str, Any]

    @property
    def papers_tag(self) -> str:
        return image_papers.tag_of(self.manifest["digest"])

    @property
    def platform(self) -> str:
        return words(self.manifest["platform"])


@dataclass(frozen=True)
class Image:
    """What was written. ``index``: what the tag ``version`` leads to, None where there is none."""

    folder: Path
    name: str
    version: str
    index: Mapping[str, Any] | None
    targets: tuple[TargetImage, ...]
    index_papers: tuple[Mapping[str, Any], ...] = ()  # descriptors of what refers to the index

    @property
    def papers_tags(self) -> tuple[str, ...]:
        """The tags of the lists of papers: the index's, then each target's."""
        own = (image_papers.tag_of(self.index["digest"]),) if self.index else ()
        return (*own, *(one.papers_tag for one in self.targets))


def words(platform: Mapping[str, str]) -> str:
    """A platform as people write it: ``linux/arm64/v8``."""
    return "/".join(platform[key] for key in ("os", "architecture", "variant") if key in platform)


def open_all(folders: Sequence[Path]) -> list[Bundle]:
    """These bundles, every byte compared with its digest, on all processors. Raises BundleError.

    Hashing is what takes the time, and Python lets go of its lock meanwhile.
    """
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda folder: open_bundle(folder, verify=True), folders))


def common(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """Which bundle an index has for each architecture.

    A platform does not say which accelerator. Of several for one, the one whose target is called as the
    architecture is; where there is none, the index has nothing for it.
    """
    found: dict[str, Bundle] = {}
    for arch in PLATFORMS:
        of_arch = [bundle for bundle in bundles if bundle.arch == arch]
        plain = [bundle for bundle in of_arch if bundle.target == arch]
        for bundle in of_arch if len(of_arch) == 1 else plain:
            found[arch] = bundle
    return found


def check(spec: ImageSpec) -> None:
    """Raises PackageError where these bundles cannot be in one image."""
    identity = {(part.bundle.name, part.bundle.version) for part in spec.parts}
    if len(identity) != 1:
        told = ", ".join(sorted(f"{p.bundle.target}: {p.bundle.version}" for p in spec.parts))
        raise PackageError(
            "the bundles are not of one version",
            why=told,
            fix="build all of the targets again: edgepack build",
        )
    if any("encryption" in part.bundle.release for part in spec.parts):
        raise PackageError(
            "an encrypted model opens in no container",
            why="its key is bound to the box's hardware, whose serial number a container does not see",
            fix="deploy it to the box itself (`runs: process` or `systemd`), or leave out `encryption`",
        )


def write_image(spec: ImageSpec, dest: Path) -> Image:
    """Write the image into the layout ``dest``, over an older one if there is one.

    It is there once its index is, which is renamed over the old one's. Raises PackageError, BundleError where
    a bundle or a base is damaged, CannotWrite where the disk is full or does not let us.
    """
    check(spec)
    if dest.exists() and not (dest / "oci-layout").is_file():
        raise CannotWrite(
            f"{dest} is there, and is no OCI layout",
            why="an image is written over an older one, and over nothing else",
            fix="name another folder with -o, or take that one away",
        )
    fresh, before = not dest.exists(), blobs.names(dest)
    try:
        image, index = _write(spec, dest)
        blobs.write(dest / "oci-layout", [LAYOUT])
        blobs.write(dest / "index.json", [index])
    except BaseException as error:
        if fresh:
            shutil.rmtree(dest, ignore_errors=True)
        else:
            blobs.prune(dest, before)
        if isinstance(error, OSError):
            raise CannotWrite(
                f"the image cannot be written to {dest}",
                why=error.strerror or str(error),
                fix="make room there, or make the folder writable",
            ) from error
        raise
    blobs.prune(dest, reached(dest, json.loads(index)))
    return image


def _write(spec: ImageSpec, dest: Path) -> tuple[Image, bytes]:
    """Write every blob; the image, and the bytes of its ``index.json``."""
    chosen = common([part.bundle for part in spec.parts])
    made = tuple(_target(spec, part, dest, part.bundle in chosen.values()) for part in spec.parts)
    entries: list[dict[str, Any]] = []
    lists: list[dict[str, Any]] = []
    index = None
    papers: tuple[Mapping[str, Any], ...] = ()
    in_index = sorted((one for one in made if one.in_index), key=lambda one: one.platform)
    if in_index:
        listed = [dict(one.manifest) for one in in_index]
        data = render_json(
            {
                "schemaVersion": 2,
                "mediaType": INDEX_TYPE,
                "manifests": listed,
                "annotations": _annotations(spec),
            }
        )
        index = described(dest, INDEX_TYPE, data)
        written = image_papers.of_index(spec.name, spec.version, index, listed, spec.sign)
        listing, papers = image_papers.referrers(
            index, written, lambda kind, data: described(dest, kind, data)
        )
        lists.append({**listing, "annotations": {REF_KEY: image_papers.tag_of(index["digest"])}})
        entries.append({**index, "annotations": {REF_KEY: tag_of(spec.version)}})
    entries += [{**one.manifest, "annotations": {REF_KEY: one.tag}} for one in made]
    entries += lists
    entries += [{**one.papers_index, "annotations": {REF_KEY: one.papers_tag}} for one in made]
    layout = render_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})
    return Image(dest, spec.name, spec.version, index, made, papers), layout


def _target(spec: ImageSpec, part: Part, dest: Path, in_index: bool) -> TargetImage:
    bundle, base = part.bundle, part.base
    below = f"opt/{bundle.name}" if base.foreign else ""
    layers = [
        *lay(base, dest),
        *image_layers.of_bundle(bundle, dest, below),
        image_layers.on_top(bundle, dest, below, accounts=not base.foreign),
    ]
    if spec.gzip:
        layers = [image_layers.gzipped(layer, dest) for layer in layers]
    annotations = _annotations(spec) | {
        "dev.edgepack.target": bundle.target,
        "dev.edgepack.runtime": bundle.runtime,
        "dev.edgepack.release": bundle.digest,
    }
    if base.name:
        annotations |= {_BASE_NAME: base.name, _BASE_DIGEST: base.digest}
    settings = image_config(bundle, base, layers, spec.runs, annotations)
    config = described(dest, IMAGE_CONFIG_TYPE, render_json(settings))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": [layer.descriptor() for layer in layers],
        "annotations": annotations,
    }
    entry = described(dest, MANIFEST_TYPE, render_json(manifest)) | {"platform": PLATFORMS[bundle.arch]}
    tag = f"{tag_of(bundle.version)}-{bundle.target}"
    papers = image_papers.papers(bundle, entry, base.part, spec.lock.get(bundle.target), spec.sign)
    index, listed = image_papers.referrers(entry, papers, lambda kind, data: described(dest, kind, data))
    return TargetImage(
        bundle.target, tag, entry, config, tuple(layers), bundle, base.told, in_index, listed, index
    )


def reached(folder: Path, found: Mapping[str, Any]) -> set[str]:
    """The names of all blobs that an index or a manifest of ours leads to."""
    names = set()
    config = [found["config"]] if "config" in found else []
    for entry in (*found.get("manifests", ()), *found.get("layers", ()), *config):
        names.add(entry["digest"].removeprefix("sha256:"))
        if entry["mediaType"] in (INDEX_TYPE, MANIFEST_TYPE):
            names |= reached(folder, json.loads(blob(folder, entry["digest"]).read_bytes()))
    return names


def _annotations(spec: ImageSpec) -> dict[str, str]:
    return {_TITLE: spec.name, _VERSION: spec.version, **spec.annotations}


def described(dest: Path, media_type: str, data: bytes) -> dict[str, Any]:
    """Write a small blob into a layout; its descriptor."""
    digest, size = add(dest, [data])
    return {"mediaType": media_type, "digest": digest, "size": size}


def tag_of(version: str) -> str:
    """A version as a tag, which knows no `+`: OCI distribution-spec 1.1, "Pulling manifests"."""
    return version.replace("+", "_")
