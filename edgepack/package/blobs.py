"""A layout's files on the disk: written beside their place and renamed, so that what has a name is whole."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from edgepack.oci import blob
from edgepack.package.errors import PackageError


def write_once(path: Path, parts: Callable[[], Iterator[bytes]]) -> None:
    """Write the blob whose name is its digest, unless it is there and holds the same bytes."""
    if not _is(path, parts()):
        write(path, _checked(parts(), path.name))


def _is(path: Path, parts: Iterator[bytes]) -> bool:
    # Compared, not hashed: the bytes have been hashed just now, and that is what takes the time.
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return all(stream.read(len(part)) == part for part in parts) and not stream.read(1)


def _checked(parts: Iterator[bytes], hexdigest: str) -> Iterator[bytes]:
    """The same parts; an error at their end where they are not what was hashed before."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        yield part
    if digest.hexdigest() != hexdigest:
        raise changed("a file")


def write(path: Path, parts: Iterable[bytes]) -> None:
    """Write beside ``path`` and rename over it, so that what has the name is always whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as stream:
        stream.writelines(parts)


@contextlib.contextmanager
def beside(path: Path) -> Iterator[BinaryIO]:
    """A new file that gets the name ``path`` when all is written, and goes again where it is not."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as stream:
            yield stream
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def names(dest: Path) -> set[str]:
    """The digests of the blobs that are there, without `sha256:`."""
    folder = dest / "blobs" / "sha256"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def prune(dest: Path, keep: Collection[str]) -> None:
    """Remove the other blobs: an older bundle's, or what a build that failed had written."""
    for name in names(dest).difference(keep):
        with contextlib.suppress(OSError):
            blob(dest, name).unlink()


def changed(what: str) -> PackageError:
    """The error for something that was not the same when it was read again."""
    return PackageError(f"{what} changed while it was being packed", fix="build again")
