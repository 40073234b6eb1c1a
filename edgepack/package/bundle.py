"""Writes a bundle: the same bytes for the same things, whatever the folder, the day or the user."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgepack.bundle import (
    IDENTITY,
    KINDS,
    LAYER_KEY,
    MAX_FILE,
    MAX_FILES,
    MODES,
    RELEASE,
    Bundle,
    BundleFile,
    frames,
    is_word,
    open_bundle,
    place,
    problem_with,
)
from edgepack.oci import (
    ARTIFACT_TYPE,
    CONFIG_TYPE,
    LAYER_TYPE,
    LAYOUT,
    MANIFEST_TYPE,
    PLATFORMS,
    blob,
    parse_json,
    render_index,
    render_json,
)
from edgepack.package import blobs, signed
from edgepack.package.errors import CannotWrite, PackageError
from edgepack.signature import sorted_entries

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Content:
    """What a file in a bundle is made from: a regular file on this machine, or bytes."""

    source: Path | bytes
    mode: int = 0o644  # or 0o755


@dataclass(frozen=True)
class BundleSpec:
    """What goes into a bundle. ``layers`` maps kind → path in the release → content.

    ``release`` becomes ``release.json`` in the config layer, with name, version, target, arch and
    runtime added from here.
    """

    name: str
    version: str
    target: str
    arch: str
    runtime: str
    layers: Mapping[str, Mapping[str, Content]]
    release: Mapping[str, Any]


def write_bundle(spec: BundleSpec, dest: Path) -> Bundle:
    """Write the bundle to the folder ``dest``, over an older one if there is one.

    A layer that is there already is not written again. The new bundle is there once its index is,
    which is renamed over the old one's: a build that is stopped leaves the old bundle as it was.
    Raises PackageError where a file cannot be read or cannot be in a bundle, and CannotWrite where
    the disk is full or does not let us.
    """
    layers = _contents(spec)
    fresh, before, index = not dest.exists(), blobs.names(dest), b""
    try:
        written, index = _write_blobs(spec, layers, dest)
        blobs.write(dest / "oci-layout", [LAYOUT])
        blobs.write(dest / "index.json", [index])
    except BaseException as error:
        # Ctrl-C may come when the index is already the new one: then the new bundle is there.
        if not index or not _holds(dest / "index.json", index):
            blobs.prune(dest, before)
            if fresh:
                shutil.rmtree(dest, ignore_errors=True)
        if isinstance(error, OSError):
            raise _unwritable(dest, error) from error
        raise
    blobs.prune(dest, written)
    return open_bundle(dest)


def _contents(spec: BundleSpec) -> dict[str, dict[str, Content]]:
    """What goes in, by layer and path, ``release.json`` too; refuses what a reader would refuse."""
    identity = {key: getattr(spec, key) for key in IDENTITY}
    try:
        release = render_json({**spec.release, **identity}) + b"\n"
        parse_json(release, RELEASE)
    except (TypeError, ValueError, RecursionError) as error:
        raise PackageError(f"{RELEASE} cannot be written", why=str(error)) from error
    layers = {kind: dict(spec.layers[kind]) for kind in KINDS if spec.layers.get(kind)}
    layers.setdefault("config", {})[RELEASE] = Content(release)
    paths = [path for layer in layers.values() for path in layer]
    modes = {content.mode for layer in layers.values() for content in layer.values()}
    problem = problem_with(paths[: MAX_FILES + 1])
    odd = [f"{key} {value!r}" for key, value in identity.items() if not is_word(value)]
    problems = {
        f"a bundle's {', '.join(odd)}: not a word of letters, digits and ._+-": bool(odd),
        f"{spec.arch} is not an architecture that a bundle can be for": spec.arch not in PLATFORMS,
        f"a bundle has no layers but {', '.join(KINDS)}": not set(KINDS).issuperset(spec.layers),
        f"{RELEASE} is made by the bundle": RELEASE in spec.layers.get("config", {}),
        f"there are {len(paths)} files, and {MAX_FILES} at most can be": len(paths) > MAX_FILES,
        "a file's mode is neither 644 nor 755": not modes.issubset(MODES),
        problem or "": problem is not None,
    }
    for why, there in problems.items():
        if there:
            raise PackageError("these things cannot be in a bundle", why=why)
    return layers


def _write_blobs(
    spec: BundleSpec, layers: Mapping[str, Mapping[str, Content]], dest: Path
) -> tuple[set[str], bytes]:
    """Write every blob that is not there; return the names of the new bundle's, and its index."""
    entries: list[dict[str, Any]] = []
    files: list[BundleFile] = []
    for kind in KINDS:
        if kind in layers:
            entry, of_kind = _layer(kind, layers[kind], dest)
            entries.append({**entry, "annotations": {LAYER_KEY: kind}})
            files += of_kind
    listed = [
        {
            "path": file.path,
            "mode": format(file.mode, "04o"),
            "size": file.size,
            "sha256": file.sha256,
            "layer": file.layer,
        }
        for file in files
    ]
    config = render_json({**{key: getattr(spec, key) for key in IDENTITY}, "files": listed})
    config_entry = _add(dest, CONFIG_TYPE, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": config_entry,
        "layers": entries,
        "annotations": {
            "org.opencontainers.image.title": spec.name,
            "org.opencontainers.image.version": spec.version,
            "dev.edgepack.target": spec.target,
            "dev.edgepack.runtime": spec.runtime,
        },
    }
    manifest_entry = _add(dest, MANIFEST_TYPE, render_json(manifest))
    written = {entry["digest"][7:] for entry in [*entries, config_entry, manifest_entry]}
    # Who signed these very bytes did so for good: building them once more takes nothing back.
    signatures = signed.kept(dest, manifest_entry["digest"])
    written |= signed.write_blobs(dest, signatures, manifest_entry)
    referrers = sorted_entries(signatures, manifest_entry)
    digest, size = manifest_entry["digest"], manifest_entry["size"]
    return written, render_index(digest, size, spec.arch, spec.version, referrers)


def _layer(kind: str, contents: Mapping[str, Content], dest: Path) -> tuple[dict[str, Any], list[BundleFile]]:
    """Write one layer unless the folder has it, whole. Returns its descriptor and its files."""
    sized = place(
        BundleFile(path, content.mode, _size(content), "", kind) for path, content in contents.items()
    )
    whole, digests = hashlib.sha256(), {file.path: hashlib.sha256() for file in sized}
    size = 0
    for part, file in _tar(sized, contents):
        whole.update(part)
        size += len(part)
        if file:
            digests[file.path].update(part)
    digest = f"sha256:{whole.hexdigest()}"
    blobs.write_once(blob(dest, digest), lambda: (part for part, _ in _tar(sized, contents)))
    entry = {"mediaType": LAYER_TYPE, "digest": digest, "size": size}
    return entry, [replace(file, sha256=digests[file.path].hexdigest()) for file in sized]


def _tar(
    files: Sequence[BundleFile], contents: Mapping[str, Content]
) -> Iterator[tuple[bytes, BundleFile | None]]:
    """A layer's bytes in parts, each with the file that it is of, or None between files."""
    for frame, file in frames(files):
        yield frame, None
        if file is None:
            return
        left = file.size
        for chunk in _chunks(contents[file.path]):
            left -= len(chunk)
            yield chunk, file
        if left:
            raise blobs.changed(file.path)


def _size(content: Content) -> int:
    if isinstance(content.source, bytes):
        return len(content.source)
    try:
        size = content.source.stat().st_size
    except OSError as error:
        raise _unreadable(content.source, error) from error
    if size > MAX_FILE:
        raise PackageError(f"{content.source} is longer than {MAX_FILE} bytes")
    return size


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content.source, bytes):
        yield content.source
        return
    try:
        with content.source.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise _unreadable(content.source, error) from error


def _add(dest: Path, media_type: str, data: bytes) -> dict[str, Any]:
    """Write a small blob unless it is there; return its descriptor."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blobs.write_once(blob(dest, digest), lambda: iter([data]))
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _unwritable(dest: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"the bundle cannot be written to {dest}",
        why=error.strerror or str(error),
        fix="make room there, or make the folder writable, and build again",
    )


def _unreadable(path: Path, error: OSError) -> PackageError:
    return PackageError(f"{path} cannot be read", why=error.strerror or str(error))
