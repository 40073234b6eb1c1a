"""What a node has of this host's files while it compiles: the same tree, below a temporary folder."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from edgepack.compile.toolchains.site import Site
from edgepack.plan.snapshot import source_tree

CHUNK = 256 << 10
MOST_BYTES = 1 << 30  # that come back of one call


@dataclass
class Mirror:
    """Which files lie on the node, and where. top: the folder there, to which this host's absolute paths add.

    send: takes a gzipped tar's bytes to the node and unpacks it in ``top``.
    """

    site: Site
    top: str
    send: Callable[[Iterable[bytes]], None]
    _there: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def words(self, words: Iterable[str]) -> list[str]:
        """A call's words as they are there: ``-I/home/me/x`` is ``-I/tmp/edgepack-1/home/me/x``."""
        return [self._word(word) for word in words]

    def _word(self, word: str) -> str:
        start = word.find("/")
        if start < 0:
            return word
        path = word[start:]
        for root in self._roots():
            rest = path.removeprefix(root)
            if rest != path and rest[:1] in ("", "/", "="):
                return f"{word[:start]}{self.top}{path}"
        return word

    def _roots(self) -> list[str]:
        project = (self.site.project,) if self.site.project else ()
        return [str(place) for place in (*self.site.writes, *self.site.with_links(), *project)]

    def here(self, text: str) -> str:
        """Text from there, with this host's paths."""
        return text.replace(self.top, "")

    def send_first(self) -> int:
        """Everything; returns how many files."""
        sources = source_tree(self.site.project)[0] if self.site.project else []
        with self._lock:
            return self._send([*sources, *_files(self.site.with_links()), *_files(self.site.writes)])

    def send_new(self) -> None:
        """What CMake has made since: it may be part of the next call."""
        with self._lock:
            self._send(_files(self.site.writes))

    def _send(self, files: Iterable[Path]) -> int:
        new = {}
        for file in files:
            try:
                about = file.stat()
            except OSError:  # of CMake's, and gone by now
                continue
            if self._there.get(file) != (about.st_size, about.st_mtime_ns):
                new[file] = (about.st_size, about.st_mtime_ns)
        if new:
            with tempfile.TemporaryFile() as packed:
                _pack(new, packed)
                self.send(iter(lambda: packed.read(CHUNK), b""))
            self._there.update(new)
        return len(new)

    def take(self, stream: IO[bytes], outputs: Iterable[Path]) -> dict[str, bytes]:
        """Unpack what a call has made: only what it was to make; returns its other files, which are words.

        Raises tarfile.TarError, or ValueError where there is more than a compiler makes.
        """
        wanted = {str(path).lstrip("/"): path for path in outputs}
        said: dict[str, bytes] = {}
        size = 0
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                size += member.size
                if size > MOST_BYTES:
                    raise ValueError(f"it sent more than {MOST_BYTES >> 20} MiB")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    continue
                if member.name in wanted:
                    self._write(wanted[member.name], content.read(), member.mode)
                else:
                    said[PurePosixPath(member.name).suffix] = content.read()
        return said

    def _write(self, path: Path, content: bytes, mode: int) -> None:
        if path.suffix == ".d":
            # As gcc writes a name for make.
            named = self.top.replace("$", "$$").replace(" ", "\\ ").replace("#", "\\#")
            content = content.replace(named.encode(), b"")
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if mode & 0o100 else 0o644)
            about = path.stat()
            self._there[path] = (about.st_size, about.st_mtime_ns)


def outputs(words: list[str], cwd: Path) -> list[Path]:
    """The files that a compiler, ``ar`` or ``ranlib`` makes when it is called with these words."""
    made = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-o", "-MF")]
    if "-o" not in words:
        archives = [word for word in words if word.endswith(".a")]
        sources = [Path(word).stem for word in words if Path(word).suffix in (".c", ".cc", ".cpp", ".cxx")]
        made += archives[:1] or [*(f"{stem}.o" for stem in sources), "a.out"]
    return [Path(os.path.normpath(cwd / name)) for name in made if name != os.devnull]


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        for folder, folders, names in os.walk(place):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names))


def _pack(files: Iterable[Path], into: IO[bytes]) -> None:
    with tarfile.open(fileobj=into, mode="w:gz", compresslevel=1, dereference=True) as tar:
        for file in files:
            try:
                content = file.read_bytes()
            except OSError:  # a pipe, a lock, or gone by now: nothing that is compiled
                continue
            entry = tarfile.TarInfo(str(file).lstrip("/"))
            entry.size = len(content)
            entry.mode, entry.mtime = 0o644, int(file.stat().st_mtime)
            tar.addfile(entry, io.BytesIO(content))
    into.seek(0)
