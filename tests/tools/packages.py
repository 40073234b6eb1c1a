"""Debian packages and an archive made on the spot."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from edgepack.tools.debian import Package


def member(name: str, content: bytes) -> bytes:
    """One member of an ar archive (ar(5)), padded to an even length."""
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def data(files: Mapping[str, bytes], links: Mapping[str, str], compression: str) -> bytes:
    """A data.tar with regular files and symbolic links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, target in links.items():
            link = tarfile.TarInfo(f"./{name}")
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def deb(files: Mapping[str, bytes], links: Mapping[str, str] | None = None, compression: str = "xz") -> bytes:
    """A package as dpkg-deb writes them; the control member has an odd length, to need its padding."""
    return b"!<arch>\n" + b"".join(
        (
            member("debian-binary", b"2.0\n"),
            member("control.tar.xz", b"odd"),
            member(f"data.tar.{compression}", data(files, links or {}, compression)),
        )
    )


def package(path: str, content: bytes) -> Package:
    """How that package would be pinned."""
    digest = hashlib.sha256(content).hexdigest()
    return Package("thing", "1:2.0-1", path, len(content), digest, "made by the test")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing: pytest's output is for its own words."""


@contextmanager
def archive(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; gives its base address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
