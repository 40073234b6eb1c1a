"""The licence texts of what is linked into a program, taken from the packages it was built from.

They are read at build time and never kept in edgepack: a text that came with the very source that was
compiled cannot be of another version. What asks for no notice in a binary (stb, in ncnn, is in the
public domain) has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from edgepack.package.errors import NoticesMissing

_ZIG = {
    "musl.txt": "libc/musl/COPYRIGHT",
    "libcxx.txt": "libcxx/LICENSE.TXT",
    "libcxxabi.txt": "libcxxabi/LICENSE.TXT",
    "libunwind.txt": "libunwind/LICENSE.TXT",
    "zig.txt": "../LICENSE",  # compiler-rt, and the part of libc that zig has in place of musl's
}
_ZIG_GLIBC = {
    **{name: path for name, path in _ZIG.items() if name != "musl.txt"},
    "glibc.txt": "libc/glibc/LICENSES",  # the code that starts a program; glibc itself is the box's
}
_NOTHING: Mapping[str, Path] = MappingProxyType({})


def collect(ncnn_source: Path, zig_lib: Path | None, more: Mapping[str, Path] = _NOTHING) -> dict[str, bytes]:
    """Name in ``LICENSES/`` → text.

    ncnn_source: the unpacked source release. zig_lib: zig's ``lib`` folder; None where another
    compiler linked the program, whose notices (Debian's ``/usr/share/doc/…/copyright``) are ``more``.
    Raises NoticesMissing where a text is not in its place.
    """
    sources = {"ncnn.txt": ncnn_source / "LICENSE.txt", **more}
    if zig_lib is not None:
        sources |= {name: zig_lib / path for name, path in _ZIG.items()}
    return {name: _read(name, path) for name, path in sorted(sources.items())}


def beside(libraries: Mapping[str, Path], zig_lib: Path | None) -> dict[str, bytes]:
    """The same for a program that loads shared libraries; ``libraries``: the texts that came with those.

    zig_lib: None where another compiler linked it, whose texts are among ``libraries``.
    """
    sources = dict(libraries)
    if zig_lib is not None:
        sources |= {name: zig_lib / path for name, path in _ZIG_GLIBC.items()}
    return {name: _read(name, path) for name, path in sorted(sources.items())}


def texts(places: Mapping[str, Path]) -> dict[str, bytes]:
    """Those texts as they are; ``places``: name in ``LICENSES/`` → where it lies."""
    return {name: _read(name, path) for name, path in sorted(places.items())}


def _read(name: str, path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise NoticesMissing(
            f"the licence text for {name} is not where its package keeps it",
            where=str(path),
            why=error.strerror or str(error),
            fix="the package is incomplete, or keeps it elsewhere now: fetch it again, or tell us",
        ) from error
    if not text.strip():
        raise NoticesMissing(f"the licence text for {name} is empty", where=str(path))
    return text
