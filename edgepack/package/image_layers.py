"""The layers of an image: the bundle's as they are, and one of our own on top of them."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from edgepack.bundle import LAYER_KEY, Bundle, BundleFile, frames
from edgepack.oci import LAYER_TYPE, blob, open_regular
from edgepack.package.errors import PackageError

GZIP_TYPE = f"{LAYER_TYPE}+gzip"
# What seldom changes lies below: docker knows a layer by all that are below it, and fetches and unpacks again
# what lies above one that is new.
ORDER = ("libraries", "model", "golden", "notices", "config", "program")
USER = 65532  # "nonroot" as others have it; no system gives this number to anybody
DATA = "data"
_BLOCK = 512
_CHUNK = 1 << 20
_PASSWD = f"root:x:0:0:root:/:/sbin/nologin\napp:x:{USER}:{USER}:app:/{DATA}:/sbin/nologin\n"
_GROUP = f"root:x:0:\napp:x:{USER}:\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"


@dataclass(frozen=True)
class Folder:
    """A folder in a layer: its mode, and the number of its owner and group."""

    mode: int = 0o755
    owner: int = 0


_PLAIN = Folder()


@dataclass(frozen=True)
class ImageLayer:
    """One layer, its blob in the image's layout. ``diff_id``: of the tar, ``digest``: of the blob."""

    kind: str
    diff_id: str
    digest: str
    size: int
    media_type: str = LAYER_TYPE

    @classmethod
    def of(cls, kind: str, tar: bytes) -> ImageLayer:
        """The layer that a tar is."""
        digest = f"sha256:{hashlib.sha256(tar).hexdigest()}"
        return cls(kind, digest, digest, len(tar))

    def descriptor(self) -> dict[str, Any]:
        annotations = {LAYER_KEY: self.kind}
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            "annotations": annotations,
        }


def of_bundle(bundle: Bundle, dest: Path, below: str) -> Iterator[ImageLayer]:
    """The release's layers, in the layout ``dest``. below: the folder that they go to, "" for the root.

    In the root they are the bundle's own blobs. Raises PackageError, BundleError, OSError.
    """
    layers = {layer.kind: layer for layer in bundle.layers}
    for kind in (kind for kind in ORDER if kind in layers):
        if below:
            files = [file for file in bundle.files if file.layer == kind]
            digest, size = add(dest, _moved(bundle, files, below))
        else:
            digest, size = layers[kind].digest, layers[kind].size
            _link(blob(bundle.folder, digest), blob(dest, digest), size)
        yield ImageLayer(kind, digest, digest, size)


def on_top(bundle: Bundle, dest: Path, below: str, *, accounts: bool) -> ImageLayer:
    """Folders with their modes, the data folder; with ``accounts`` also who there is, and ``/tmp``.

    A bundle's layers have no entries for folders, and engines make the missing ones each with a mode of its
    own; the entry that lies on top wins.
    """
    folders = folders_of(str(PurePosixPath(below) / file.path) for file in bundle.files)
    files: dict[str, bytes] = {}
    if accounts:
        files = account_files()
        folders |= {"etc": _PLAIN, "tmp": Folder(0o1777)}
    folders[DATA] = Folder(owner=USER)
    digest, size = add(dest, tar_of(folders, files))
    return ImageLayer("root", digest, digest, size)


def account_files() -> dict[str, bytes]:
    """Who there is in an image without a base of others."""
    etc = {"group": _GROUP, "nsswitch.conf": _NSSWITCH, "passwd": _PASSWD}
    return {f"etc/{name}": text.encode() for name, text in etc.items()}


def folders_of(paths: Iterable[str]) -> dict[str, Folder]:
    """The folders in which these files lie, of root."""
    found = {str(up) for path in paths for up in PurePosixPath(path).parents} - {"."}
    return dict.fromkeys(found, _PLAIN)


def tar_of(folders: Mapping[str, Folder], files: Mapping[str, bytes]) -> Iterator[bytes]:
    """A layer of folders and then files, in the order of their names; what is a library may be executed."""
    for name, folder in sorted(folders.items()):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, folder.mode, folder.owner, folder.owner
        yield info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    for name, data in sorted(files.items()):
        info = tarfile.TarInfo(name)
        info.mode, info.size = 0o755 if ".so" in PurePosixPath(name).name else 0o644, len(data)
        yield info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict") + data + b"\0" * (-len(data) % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


def gzipped(layer: ImageLayer, dest: Path) -> ImageLayer:
    """The same layer, compressed: for engines and registries that take no other. No name, no time in it."""
    if layer.media_type != LAYER_TYPE:
        return layer
    with open_regular(blob(dest, layer.digest)) as tar:
        digest, size = add(dest, _gzip(iter(lambda: tar.read(_CHUNK), b"")))
    return replace(layer, digest=digest, size=size, media_type=GZIP_TYPE)


def add(dest: Path, parts: Iterable[bytes]) -> tuple[str, int]:
    """Write a blob into a layout, and say its digest and its size."""
    folder = dest / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    beside, whole, size = folder / f".{secrets.token_hex(8)}", hashlib.sha256(), 0
    try:
        with beside.open("xb") as out:
            for part in parts:
                whole.update(part)
                size += out.write(part)
        beside.replace(folder / whole.hexdigest())
    finally:
        beside.unlink(missing_ok=True)
    return f"sha256:{whole.hexdigest()}", size


def take(source: Path, dest: Path, digest: str, size: int) -> None:
    """A blob of another layout into this one, every byte compared with its digest. Raises PackageError."""
    whole, found = hashlib.sha256(), 0
    with open_regular(source) as stream:
        while part := stream.read(_CHUNK):
            whole.update(part)
            found += len(part)
    if found != size or f"sha256:{whole.hexdigest()}" != digest:
        raise PackageError(
            "a layer of the base is damaged",
            where=str(source),
            why="its bytes are not those that its digest names",
            fix="get the base again from where it came",
        )
    _link(source, blob(dest, digest), size)


def _link(source: Path, dest: Path, size: int) -> None:
    """One file under two names where the file system can: what a layout holds is never changed in place."""
    if dest.is_file() and dest.stat().st_size == size and dest.samefile(source):
        return
    dest.parent.mkdir(parents=True, exist_ok=True)
    beside = dest.with_name(f".{secrets.token_hex(8)}")
    try:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copyfile(source, beside)
        beside.replace(dest)
    finally:
        beside.unlink(missing_ok=True)


def _moved(bundle: Bundle, files: list[BundleFile], below: str) -> Iterator[bytes]:
    """A layer's tar with its files in another folder."""
    known = {f"{below}/{file.path}": file for file in files}
    moved = [replace(file, path=path) for path, file in known.items()]
    try:
        for frame, file in frames(moved):
            yield frame
            if file is not None:
                with bundle.open(known[file.path]) as stream:
                    while part := stream.read(_CHUNK):
                        yield part
    except ValueError as error:
        raise PackageError(f"a path is too long for an image: {error}", where=below) from error


def _gzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    """RFC 1952 with a header of zeros, as `gzip -n` writes it: zlib's own writes no time."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()
