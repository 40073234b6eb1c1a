"""One file out of one Debian package, without root, dpkg or trust in the network.

A package is known by its SHA-256 before a byte of it is asked for, and nothing of it is unpacked
before that digest was found right. Where it comes from is the caller's to say: no archive is
named here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgepack.errors import ToolError
from edgepack.tools.runner import command, run

# (what is being done, bytes done, bytes in all); (text, 0, 0) is a step without a measure.
Progress = Callable[[str, int, int], None]

_CHUNK = 1 << 18


@dataclass(frozen=True)
class Package:
    """One exact package. ``path`` is below an archive's base address; ``url``, if known, is whole."""

    name: str
    version: str
    path: str
    size: int  # bytes
    sha256: str
    source: str
    url: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version.partition(':')[2] or self.version}"


class NotHad(Exception):
    """A package could not be had from one address; ``str`` says why in a few words."""


def pins(file: Path, host: str) -> tuple[Package, ...]:
    """The packages a pin file names for hosts of architecture ``host``, in its order."""
    rows = json.loads(file.read_text("utf-8"))["pins"]
    return tuple(
        Package(r["package"], r["version"], r["path"], r["size"], r["sha256"], r["source"])
        for r in rows
        if r["host"] == host
    )


def addresses(package: Package, archives: Sequence[str]) -> tuple[str, ...]:
    """Where this package may lie: its own address, else its path below each archive."""
    if package.url:
        return (package.url,)
    # "+" is quoted because some stores behind a mirror read it as a blank.
    path = urllib.parse.quote(package.path, safe="/~")
    return tuple(f"{base}/{path}" for base in archives)


@contextlib.contextmanager
def fetched(package: Package, url: str, proxies: Mapping[str, str], progress: Progress) -> Iterator[Path]:
    """The package as a temporary file whose size and digest are right.

    Raises NotHad where it is not there, the connection fails, or it is another file.
    """
    with tempfile.TemporaryDirectory(prefix="edgepack-deb-") as folder:
        file = Path(folder) / "package.deb"
        digest = _download(package, url, file, proxies, progress)
        if digest != package.sha256:
            raise NotHad(f"{file.stat().st_size} bytes came, and their digest is not {package}'s")
        yield file


def _download(package: Package, url: str, file: Path, proxies: Mapping[str, str], progress: Progress) -> str:
    """Write what ``url`` gives to ``file``; returns its SHA-256. Never takes more than it should."""
    opener = urllib.request.build_opener(
        # What the environment says (``http_proxy``) comes before apt's own setting.
        urllib.request.ProxyHandler({**proxies, **urllib.request.getproxies()})
    )
    digest = hashlib.sha256()
    done = 0
    text = f"fetching {package}"
    try:
        with opener.open(url, timeout=30) as answer, file.open("wb") as out:
            while chunk := answer.read(_CHUNK):
                done += len(chunk)
                if done > package.size:
                    raise NotHad(f"it is larger than the {package.size} bytes of {package}")
                digest.update(chunk)
                out.write(chunk)
                progress(text, done, package.size)
    except urllib.error.HTTPError as error:
        raise NotHad(f"the archive answers {error.code} {error.reason}") from error
    except (OSError, ValueError, EOFError) as error:  # URLError, time-outs, a bad address
        reason = getattr(error, "reason", error)
        raise NotHad(str(getattr(reason, "strerror", None) or reason)) from error
    return digest.hexdigest()


def extract(deb: Path, wanted: Mapping[str, Path]) -> frozenset[str]:
    """Copy regular files out of a package: names as ``usr/bin/x`` → where to put them (mode 0755).

    Each appears whole or not at all. Returns the names that were there. Links and everything
    else in the package are passed over, so that no name in it decides where a byte is written.
    Raises ToolError where the file is not a Debian package.
    """
    found = set()
    with _data(deb) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in wanted and member.isreg() and name not in found:
                content = archive.extractfile(member)
                if content is not None:
                    _place(content, wanted[name])
                    found.add(name)
            if len(found) == len(wanted):
                break
    return frozenset(found)


@contextlib.contextmanager
def contents(deb: Path) -> Iterator[tarfile.TarFile]:
    """All that a package holds, as a stream; what of it is unpacked, and where, is the caller's to guard.

    Raises ToolError where the file is not a Debian package.
    """
    with _data(deb) as archive:
        yield archive


def _place(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            while chunk := content.read(_CHUNK):
                out.write(chunk)
            os.fchmod(out.fileno(), 0o755)
        Path(part).replace(target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _data(deb: Path) -> Iterator[tarfile.TarFile]:
    """The package's ``data.tar``, read as a stream: it is five times the package's size."""
    with deb.open("rb") as file:
        try:
            name, start, size = _data_member(file)
            if name.endswith(".zst"):
                with _without_zstd(deb) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
                    yield archive
            else:
                member = io.BufferedReader(_Slice(file, start, size))
                with tarfile.open(fileobj=member, mode="r|*") as archive:
                    yield archive
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise ToolError(f"{deb.name} is not a Debian package", why=str(error)) from error


def _data_member(file: IO[bytes]) -> tuple[str, int, int]:
    """(name, offset, size) of ``data.tar*`` in an ``ar`` archive.

    By hand because binutils' ``ar`` is not on every host and the format is a row of 60-byte
    headers (ar(5), deb(5)): name 16, date 12, uid 6, gid 6, mode 8, size 10, ends in "`\\n".
    """
    if file.read(8) != b"!<arch>\n":
        raise ValueError("it does not begin like one")
    while len(header := file.read(60)) == 60:
        if header[58:] != b"`\n":
            raise ValueError("a member's header is damaged")
        name = header[:16].decode("ascii", "replace").rstrip().rstrip("/")
        size = int(header[48:58])
        if name.startswith("data.tar"):
            return name, file.tell(), size
        file.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError("it holds no data.tar")


class _Slice(io.RawIOBase):
    """One stretch of a file, read from its start to its end."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._left = size
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        chunk = self._file.read(min(len(view), self._left))
        self._left -= len(chunk)
        view[: len(chunk)] = chunk
        return len(chunk)


@contextlib.contextmanager
def _without_zstd(deb: Path) -> Iterator[IO[bytes]]:
    """The plain ``data.tar`` of a package compressed with zstd, which Python has only from 3.14.

    Only packages that the host's own apt named are made so (Ubuntu's), and there dpkg-deb is.
    """
    with tempfile.TemporaryDirectory(prefix="edgepack-deb-") as folder:
        plain = Path(folder) / "data.tar"
        script = 'dpkg-deb --fsys-tarfile "$1" > "$2"'
        done = run(command("/bin/sh", "-c", script, "sh", deb, plain))
        if not done.ok:
            raise ToolError(
                "cannot unpack a package compressed with zstd",
                why="that takes dpkg-deb, and it did not do it",
                detail=done.text(),
            )
        with plain.open("rb") as file:
            yield file
