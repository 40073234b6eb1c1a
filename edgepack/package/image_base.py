"""What lies below a release in an image: nothing, a small libc, or somebody's image in an OCI layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack.bundle import Bundle
from edgepack.catalog.architectures import architecture
from edgepack.catalog.runtimes import LINKED
from edgepack.oci import (
    INDEX_TYPE,
    LAYER_TYPE,
    LAYOUT,
    MANIFEST_TYPE,
    MAX_JSON,
    PLATFORMS,
    REF_KEY,
    BundleError,
    blob,
    descriptor,
    json_blob,
    parse_json,
    read,
)
from edgepack.package import sbom
from edgepack.package.errors import PackageError
from edgepack.package.image_layers import ImageLayer, add, folders_of, take, tar_of
from edgepack.tools import sysroot

NONE, LIBC, LAYOUT_AT, REGISTRY = "none", "libc", "oci:", "docker://"
IMAGE_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPES = (LAYER_TYPE, f"{LAYER_TYPE}+gzip", f"{LAYER_TYPE}+zstd")
_MAX_LAYERS = (
    120  # docker's overlay2 takes 128: https://docs.docker.com/engine/storage/drivers/overlayfs-driver/
)


@dataclass(frozen=True)
class BaseLayer:
    """A layer of a base: a blob in a layout, or a tar's bytes."""

    layer: ImageLayer
    source: Path | bytes


@dataclass(frozen=True)
class Base:
    """What lies below. ``foreign``: edgepack did not make it, and where its folders lie is its own affair.

    told: for people; name, digest: for OCI's annotations on bases, "" where there is nothing to name.
    part: as a bill of materials has it.
    """

    told: str
    layers: tuple[BaseLayer, ...] = ()
    foreign: bool = False
    env: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # of its configuration
    name: str = ""
    digest: str = ""
    part: sbom.Component | None = None


EMPTY = Base(NONE)
Fetch = Callable[[str, Mapping[str, str]], Path]  # (reference, platform) → a layout that has it as `base`


def lay(base: Base, dest: Path) -> Iterator[ImageLayer]:
    """Put a base's layers into the layout of an image."""
    for one in base.layers:
        if isinstance(one.source, bytes):
            add(dest, [one.source])
        else:
            take(one.source, dest, one.layer.digest, one.layer.size)
        yield one.layer


def choose(bundle: Bundle, asked: str | None, fetch: Fetch, progress: Callable[[str], None]) -> Base:
    """The base for a bundle. asked: None for what its program needs.

    Raises PackageError where what was asked for cannot start its program, ToolError where it cannot be had.
    """
    libc = str(bundle.release.get("libc") or "static")
    linkage = LINKED.get(bundle.runtime, "static")
    wanted = asked or (NONE if libc == "static" else LIBC)
    if wanted.startswith(LAYOUT_AT):
        folder, _, tag = wanted.removeprefix(LAYOUT_AT).partition("@")
        return from_layout(Path(folder).absolute(), tag, bundle.arch)
    if wanted.startswith(REGISTRY):
        reference = wanted.removeprefix(REGISTRY)
        layout = fetch(reference, PLATFORMS[bundle.arch])
        return from_layout(layout, "base", bundle.arch, reference)
    if wanted not in (NONE, LIBC):
        raise PackageError(
            f"there is no base called {wanted}",
            fix="none, libc, oci:FOLDER or oci:FOLDER@TAG, docker://REPOSITORY:TAG",
        )
    if libc != "static" and linkage == "box":
        raise PackageError(
            f"an image for {bundle.target} needs a base that has {bundle.runtime}",
            why="its maker's runtime is not edgepack's to pack; the program loads it where it is installed",
            fix="--base oci:FOLDER or --base docker://REPOSITORY:TAG, an image of the maker's for that board",
        )
    if wanted == LIBC:
        return _libc(bundle.arch, libc.partition(" ")[2], progress)
    if libc != "static":
        raise PackageError(
            f"the program for {bundle.target} needs a base",
            why=f"it is linked to {libc}, and an image without a base has none",
            fix="--base libc, or leave --base out",
        )
    return EMPTY


def _libc(arch: str, least: str, progress: Callable[[str], None]) -> Base:
    """Debian's glibc and what of it a container needs, with its licence: one layer."""
    folder, package = sysroot.for_image(arch, progress, least)
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    tar = b"".join(tar_of(folders_of(files), {name: path.read_bytes() for name, path in files.items()}))
    layer = ImageLayer.of("libc", tar)
    version = package.version.replace("+", "%2B")
    purl = f"pkg:deb/debian/{package.name}@{version}?arch={architecture(arch).debian}"
    part = sbom.Component(package.name, package.version, licence="LGPL-2.1-or-later", purl=purl)
    return Base(f"libc, glibc of Debian's {package}", (BaseLayer(layer, tar),), part=part)


def from_layout(folder: Path, tag: str, arch: str, name: str = "") -> Base:
    """The image for an architecture in an OCI layout; ``tag`` may be "" where there is but one.

    Nothing of it is believed: each blob is compared with its digest. Raises PackageError.
    """
    try:
        entry = _find(folder, tag, arch)
        manifest, where = json_blob(folder, entry, MANIFEST_TYPE, str(folder / "index.json"))
        config, config_where = json_blob(folder, _object(manifest, "config"), IMAGE_CONFIG_TYPE, where)
        if config.get("architecture") != PLATFORMS[arch]["architecture"]:
            raise PackageError(
                f"the base is for {config.get('architecture')}, and the bundle for {arch}", where=config_where
            )
        layers = _layers(folder, manifest, config, where)
    except BundleError as error:
        raise PackageError(
            "this base cannot be used",
            where=error.where,
            why=error.what,
            fix="an OCI layout, as `skopeo copy docker://REPOSITORY:TAG oci:FOLDER:TAG` writes one",
        ) from error
    env = _object(config, "config").get("Env") if config.get("config") else []
    said = tuple(one for one in env if isinstance(one, str)) if isinstance(env, list) else ()
    labels = _object(_object(config, "config"), "Labels")
    words = {key: text for key, text in labels.items() if isinstance(text, str)}
    told = name or f"{folder.name}{'@' if tag else ''}{tag}"
    digest = str(entry["digest"])
    part = sbom.Component(told, digest, "container")
    return Base(told, layers, foreign=True, env=said, labels=words, name=name, digest=digest, part=part)


def _find(folder: Path, tag: str, arch: str) -> dict[str, Any]:
    """The descriptor of a manifest, through indexes."""
    layout = folder / "oci-layout"
    if parse_json(read(layout, 1024), str(layout)) != parse_json(LAYOUT, str(layout)):
        raise PackageError("the base's folder is not an OCI layout of version 1.0.0", where=str(layout))
    index = parse_json(read(folder / "index.json", MAX_JSON), str(folder / "index.json"))
    entries = _entries(index, folder)
    if tag:
        entries = [one for one in entries if _object(one, "annotations").get(REF_KEY) == tag]
    for _ in range(4):  # an index in an index, and no deeper
        of_arch = [one for one in entries if _is_for(one, arch)]
        if not of_arch:
            raise PackageError(
                f"the base has nothing for {arch}", where=str(folder), why=f"tag {tag}" if tag else ""
            )
        if len(of_arch) > 1 and {one.get("digest") for one in of_arch} != {of_arch[0].get("digest")}:
            names = [str(_object(one, "annotations").get(REF_KEY)) for one in of_arch]
            raise PackageError(
                f"the base has several images for {arch}",
                where=str(folder),
                why=", ".join(names),
                fix=f"name one: --base oci:{folder}@{names[0]}",
            )
        if of_arch[0].get("mediaType") != INDEX_TYPE:
            return of_arch[0]
        entries = _entries(json_blob(folder, of_arch[0], INDEX_TYPE, str(folder))[0], folder)
    raise PackageError("the base's indexes lead nowhere", where=str(folder))


def _is_for(entry: Mapping[str, Any], arch: str) -> bool:
    platform = entry.get("platform")
    if not isinstance(platform, dict):
        return True  # its configuration will say
    wanted = PLATFORMS[arch]
    variant = platform.get("variant", wanted.get("variant"))
    return (platform.get("os"), platform.get("architecture"), variant) == (
        "linux",
        wanted["architecture"],
        wanted.get("variant", variant),
    )


def _layers(
    folder: Path, manifest: Mapping[str, Any], config: Mapping[str, Any], where: str
) -> tuple[BaseLayer, ...]:
    entries, diff_ids = manifest.get("layers"), _object(config, "rootfs").get("diff_ids")
    if not (isinstance(entries, list) and isinstance(diff_ids, list) and len(entries) == len(diff_ids)):
        raise PackageError("the base's manifest and its configuration have not the same layers", where=where)
    if len(entries) > _MAX_LAYERS:
        raise PackageError(f"the base has more than {_MAX_LAYERS} layers", where=where)
    found = []
    for entry, diff_id in zip(entries, diff_ids, strict=True):
        media_type = entry.get("mediaType") if isinstance(entry, dict) else None
        if media_type not in _LAYER_TYPES:
            raise PackageError(f"a layer of the base is of the type {media_type}", where=where)
        digest, size = descriptor(entry, media_type, where)
        descriptor({"mediaType": LAYER_TYPE, "digest": diff_id, "size": 0}, LAYER_TYPE, where)
        found.append(
            BaseLayer(ImageLayer("base", str(diff_id), digest, size, media_type), blob(folder, digest))
        )
    return tuple(found)


def _entries(index: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    entries = index.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise PackageError("the base's index lists no manifests", where=str(folder))
    return entries


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
