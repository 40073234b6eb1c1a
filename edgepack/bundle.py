"""The bundle: what ``package`` writes and ``ship`` reads, an OCI image layout with one tar a layer.

A bundle may come from anywhere, so reading treats it as hostile. Nothing in a layer is parsed: from
the configuration's list of files follows, to the byte, what the tar must look like, and it is that
or it is refused. What the index does not reach is never looked at, as in every OCI layout.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from edgepack.oci import (
    ARTIFACT_TYPE,
    CHANGED,
    CONFIG_TYPE,
    LAYER_TYPE,
    LAYOUT,
    MANIFEST_TYPE,
    MAX_JSON,
    PLATFORMS,
    BundleError,
    bad,
    blob,
    descriptor,
    index_entry,
    is_sha256,
    json_blob,
    open_regular,
    parse_json,
    read,
    render_index,
)
from edgepack.signature import Signature, read_all, sorted_entries

__all__ = [
    "Bundle",
    "BundleError",
    "BundleFile",
    "Layer",
    "frames",
    "is_word",
    "listing",
    "open_bundle",
    "place",
    "problem_with",
]

LAYER_KEY = "dev.edgepack.layer"
KINDS = ("program", "model", "libraries", "golden", "config", "notices")
RELEASE = "release.json"
IDENTITY = ("name", "version", "target", "arch", "runtime")  # in config and release.json

MAX_FILES = 20_000
MAX_FILE = 8**11 - 1  # bytes: the 11 octal digits of a ustar header
MODES = (0o644, 0o755)

_BLOCK = 512
_CHUNK = 1 << 20
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", re.ASCII)
_SEGMENT = re.compile(r"(?!-)(?!\.{1,2}\Z)[A-Za-z0-9._+=,@%~:-]+", re.ASCII)


@dataclass(frozen=True)
class BundleFile:
    """One file of a release. ``offset`` is where its bytes begin in the layer's tar."""

    path: str  # relative to the release's folder, parts joined by "/"
    mode: int  # 0o644 or 0o755
    size: int  # bytes
    sha256: str  # 64 hexadecimal digits
    layer: str  # one of KINDS
    offset: int = 0


@dataclass(frozen=True)
class Layer:
    """One kind of thing in a bundle: an uncompressed tar of ``size`` bytes."""

    kind: str
    digest: str  # "sha256:…"
    size: int


@dataclass(frozen=True)
class Bundle:
    """A bundle that was opened and checked. ``digest``, the OCI manifest's, is the release digest."""

    folder: Path
    digest: str
    name: str
    version: str
    target: str
    arch: str
    runtime: str
    files: tuple[BundleFile, ...]
    layers: tuple[Layer, ...]
    release: dict[str, Any] = field(hash=False)
    signatures: tuple[Signature, ...] = ()  # as they were found: whose they are nobody has checked yet

    def file(self, path: str) -> BundleFile:
        """The file at ``path`` in a release. Raises BundleError where there is none."""
        for file in self.files:
            if file.path == path:
                return file
        raise BundleError(f"the bundle holds no {path}", where=str(self.folder))

    def open(self, file: BundleFile) -> BinaryIO:
        """The file's bytes, to be read once from the beginning (it does not seek).

        Raises BundleError where the layer has gone, and, from a read before the end is given out, where
        the bytes are not those that the bundle promises.
        """
        layer = next(layer for layer in self.layers if layer.kind == file.layer)
        return io.BufferedReader(_Reader(open_regular(blob(self.folder, layer.digest)), file), _CHUNK)


class _Reader(io.RawIOBase):
    """The part of a layer's blob that is one file; hashes what it gives out."""

    def __init__(self, layer: io.BufferedReader, file: BundleFile) -> None:
        self._blob = layer
        self._blob.seek(file.offset)
        self._left = file.size
        self._hash = hashlib.sha256()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: self._left]
        count = self._blob.readinto(view)
        self._hash.update(view[:count])
        self._left -= count
        at_end = self._left == 0 or (count == 0 and len(view) > 0)
        if at_end and self._hash.hexdigest() != self._file.sha256:
            raise bad(str(self._blob.name), f"{self._file.path} in the bundle is damaged", CHANGED)
        return count

    def close(self) -> None:
        self._blob.close()
        super().close()


def open_bundle(folder: Path, *, verify: bool = False) -> Bundle:
    """Open the bundle in ``folder`` and check index → manifest → configuration → layers.

    Without ``verify`` the layers' contents are not read, only their frames (each tar header and
    its padding), their sizes and ``release.json``; with it every byte is, and every digest holds.
    Raises BundleError for whatever is not as this module's writer would have made it.
    """
    if read(folder / "oci-layout", 1024) != LAYOUT:
        raise bad(str(folder / "oci-layout"), "this is not an OCI image layout of version 1.0.0")
    index_file = folder / "index.json"
    index = read(index_file, MAX_JSON)
    entry, referrers = index_entry(parse_json(index, str(index_file)), str(index_file))
    manifest, where = json_blob(folder, entry, MANIFEST_TYPE, str(index_file))
    if manifest.get("schemaVersion") != 2 or manifest.get("artifactType") != ARTIFACT_TYPE:
        raise bad(where, f"this is not a bundle: its artifactType is not {ARTIFACT_TYPE}")
    config, config_where = json_blob(folder, _mapping(manifest, "config", where), CONFIG_TYPE, where)
    words = {key: _word(config, key, config_where) for key in IDENTITY}
    if words["arch"] not in PLATFORMS:
        raise bad(config_where, f"no architecture is called {words['arch']}")
    digest = str(entry["digest"])
    signatures = read_all(folder, referrers, entry, str(index_file))
    listed = sorted_entries(signatures, entry)
    if index != render_index(digest, int(entry["size"]), words["arch"], words["version"], listed):
        raise bad(str(index_file), "the index does not say what its bundle says")
    layers = _layers(manifest, where)
    files = place(_files(config, config_where))
    if {file.layer for file in files} != {layer.kind for layer in layers}:
        raise bad(where, "the layers are not those that the bundle's list of files names")
    for layer in layers:
        _check_layer(folder, layer, [f for f in files if f.layer == layer.kind], verify)
    bundle = Bundle(folder, digest, **words, files=files, layers=layers, release={}, signatures=signatures)
    return replace(bundle, release=_release(bundle))


def listing(files: Iterable[BundleFile]) -> bytes:
    """A release's files as a box keeps them, ``sha256 mode path`` a line, in the bundle's order."""
    return "".join(f"{file.sha256} {file.mode:04o} {file.path}\n" for file in files).encode("ascii")


def frames(files: Sequence[BundleFile]) -> Iterator[tuple[bytes, BundleFile | None]]:
    """What stands in a layer's tar before each file's bytes, and at last its end, with None.

    ``files``: one layer's, sorted by path. Each frame is the padding of the file before and a
    ustar header: mtime 0, uid and gid 0, no owner's name. Raises ValueError for a name that ustar
    cannot hold.
    """
    padding = 0
    for file in files:
        info = tarfile.TarInfo(file.path)
        info.mode, info.size = file.mode, file.size
        yield b"\0" * padding + info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"), file
        padding = -file.size % _BLOCK
    yield b"\0" * (padding + 2 * _BLOCK), None


def place(files: Iterable[BundleFile]) -> tuple[BundleFile, ...]:
    """The files in the order of their layers, each with its ``offset`` in its layer's tar."""
    placed = []
    ordered = sorted(files, key=lambda file: (KINDS.index(file.layer), file.path))
    for _, group in itertools.groupby(ordered, key=lambda file: file.layer):
        end = 0
        for file in group:
            offset = end + _BLOCK
            end = offset + file.size + -file.size % _BLOCK
            placed.append(BundleFile(file.path, file.mode, file.size, file.sha256, file.layer, offset))
    return tuple(placed)


def is_word(value: object) -> bool:
    """Whether this can be a bundle's name, version, target or runtime."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def problem_with(paths: Iterable[str]) -> str | None:
    """What is wrong with these paths as one release's files, as a sentence; None if nothing is.

    Refused are: absolute ones, ``..``, what is not portable between file systems and shells, what
    a tar header cannot hold, two of one name, and a file that is another one's folder.
    """
    seen: set[str] = set()
    for path in paths:
        if not path or not all(_SEGMENT.fullmatch(part) for part in path.split("/")):
            return f"{path!r} is not a plain relative path of letters, digits and ._+=,@%~:-"
        if not _fits_a_header(path):
            return f"the path {path} is too long"
        if path in seen:
            return f"{path} is there twice"
        seen.add(path)
    for path in seen:
        parts = path.split("/")
        for n in range(1, len(parts)):
            if (parent := "/".join(parts[:n])) in seen:
                return f"{parent} is both a file and the folder of {path}"
    return None


def _fits_a_header(path: str) -> bool:
    if len(path) <= 100:
        return True
    try:
        tarfile.TarInfo(path).tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError:
        return False
    return True


def _layers(manifest: Mapping[str, Any], where: str) -> tuple[Layer, ...]:
    entries = manifest.get("layers")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad(where, "the manifest's layers are not a list of descriptors")
    layers = []
    for entry in entries:
        digest, size = descriptor(entry, LAYER_TYPE, where)
        layers.append(Layer(str(_mapping(entry, "annotations", where).get(LAYER_KEY)), digest, size))
    if [layer.kind for layer in layers] != [k for k in KINDS if k in {la.kind for la in layers}]:
        raise bad(where, f"the layers are not of these kinds, in this order: {', '.join(KINDS)}")
    return tuple(layers)


def _files(config: Mapping[str, Any], where: str) -> list[BundleFile]:
    entries = config.get("files")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_FILES:
        raise bad(where, f"the list of files must have 1 to {MAX_FILES} entries")
    files = [_file(entry, where) for entry in entries]
    if problem := problem_with(file.path for file in files):
        raise bad(where, problem)
    return files


def _file(entry: object, where: str) -> BundleFile:
    if not isinstance(entry, dict) or not all(
        isinstance(entry.get(key), str) for key in ("path", "mode", "sha256", "layer")
    ):
        raise bad(where, "a file's entry is not {path, mode, size, sha256, layer}")
    path, size = entry["path"], entry.get("size", -1)
    modes = {format(mode, "04o"): mode for mode in MODES}
    problem = {
        "mode": entry["mode"] not in modes,
        "size": type(size) is not int or not 0 <= size <= MAX_FILE,
        "sha256": not is_sha256(entry["sha256"]),
        "layer": entry["layer"] not in KINDS,
    }
    for key, wrong in problem.items():
        if wrong:
            raise bad(where, f"the {key} of {path!r} is not one a bundle can have")
    return BundleFile(path, modes[entry["mode"]], size, entry["sha256"], entry["layer"])


def _check_layer(folder: Path, layer: Layer, files: Sequence[BundleFile], verify: bool) -> None:
    path = blob(folder, layer.digest)
    with open_regular(path) as tar:
        if os.fstat(tar.fileno()).st_size != layer.size:
            raise bad(str(path), f"the {layer.kind} layer is not {layer.size} bytes long")
        whole = hashlib.sha256()
        for frame, file in frames(files):
            found = tar.read(len(frame))
            whole.update(found)
            if found != frame:
                named = f"at {file.path}" if file else "at its end"
                raise bad(str(path), f"the {layer.kind} layer does not hold the files listed, {named}")
            if file and verify:
                _check_file(tar, file, whole.update, str(path))
            elif file:
                tar.seek(file.size, os.SEEK_CUR)
        if tar.read(1) or (verify and whole.hexdigest() != path.name):
            raise bad(str(path), f"the {layer.kind} layer is damaged", CHANGED)


def _check_file(tar: BinaryIO, file: BundleFile, update: Callable[[bytes], object], where: str) -> None:
    digest, left = hashlib.sha256(), file.size
    while left and (chunk := tar.read(min(left, _CHUNK))):
        digest.update(chunk)
        update(chunk)
        left -= len(chunk)
    if left or digest.hexdigest() != file.sha256:
        raise bad(where, f"{file.path} in the bundle is damaged", CHANGED)


def _release(bundle: Bundle) -> dict[str, Any]:
    file = bundle.file(RELEASE)
    where = f"{bundle.folder}: {RELEASE}"
    if file.layer != "config" or file.size > MAX_JSON:
        raise bad(where, f"{RELEASE} must be in the config layer, {MAX_JSON} bytes at most")
    with bundle.open(file) as stream:
        release = parse_json(stream.read(), where)
    for key in IDENTITY:
        if release.get(key) != getattr(bundle, key):
            raise bad(where, f"{RELEASE} names another {key} than the bundle")
    return release


def _mapping(value: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise bad(where, f"{key} is missing, or is not an object")
    return found


def _word(config: Mapping[str, Any], key: str, where: str) -> str:
    value = config.get(key)
    if not is_word(value):
        raise bad(where, f"the {key} is not a word of letters, digits and ._+-")
    return str(value)
