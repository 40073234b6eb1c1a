"""Source releases from the Python package index the user already has, by file name and digest.

pip cannot be asked for a source release without running its ``setup.py``; ncnn's writes another
version than its file name says, and pip refuses it. So the file is fetched by name. No index is named
here: it is the one that uv or pip is configured for, else the one ``pypi-simple`` knows.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from edgepack.errors import ToolError
from edgepack.tools import cache

if TYPE_CHECKING:
    import requests

_UNPACKED = ".edgepack-complete"
_REMOTE = ("http://", "https://")
_TIMEOUT_S = (15.0, 60.0)  # to connect, and between two packets


@dataclass(frozen=True)
class Source:
    """One file of one release: ``Source("ncnn", "ncnn-1.0.tar.gz", "ad8cdd…")``."""

    project: str
    filename: str
    sha256: str


def fetch(source: Source, progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The file in edgepack's cache, downloaded and verified where it is not there yet.

    Raises ToolError where no configured index gives it, or what it gives has another digest.
    """
    kept = cache.root() / "downloads" / source.sha256 / source.filename
    if kept.is_file():
        return kept
    with cache.locked(kept.parent):
        if not kept.is_file():
            progress(f"downloading {source.filename}")
            _download(source, kept)
    return kept


def unpack(source: Source, progress: Callable[[str], None] = lambda _line: None) -> Path:
    """The folder that the source release holds, unpacked once into the cache.

    Raises ToolError as ``fetch`` and ``unpacked`` do.
    """
    return unpacked(source.filename, source.sha256, lambda: fetch(source, progress))


def unpacked(name: str, sha256: str, get: Callable[[], Path]) -> Path:
    """The one folder at the top of a source archive of that digest, unpacked once into the cache.

    get: gives the archive where it is not unpacked yet. Links, devices and paths that leave the folder are
    refused (PEP 706's ``data`` filter). Raises ToolError where the archive is damaged or hostile.
    """
    folder = cache.root() / "sources" / sha256[:16]
    with cache.locked(folder):
        if not (folder / _UNPACKED).is_file():
            _unpack(get(), folder)
    entries = [entry for entry in folder.iterdir() if entry.is_dir()]
    if len(entries) != 1:
        raise ToolError(
            f"{name} is not a source release",
            why=f"it holds {len(entries)} folders at its top where one is expected",
        )
    return entries[0]


def indexes() -> list[str]:
    """Index addresses in the order they are asked: what uv, then pip, is configured for; else the default.

    Read from UV_DEFAULT_INDEX, UV_INDEX_URL, PIP_INDEX_URL and both programs' configuration files.
    Addresses of local folders are left out: they hold wheels for an installer, not releases to look up.
    """
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    env = os.environ.get
    uv = [_unnamed(env(key, "")) for key in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")] + _uv_configured()
    pip = [env("PIP_INDEX_URL", ""), *_pip_configured()]
    first = next(url for url in (*uv, *pip, PYPI_SIMPLE_ENDPOINT) if url.startswith(_REMOTE))
    extra = f"{env('UV_INDEX', '')} {env('PIP_EXTRA_INDEX_URL', '')}".split()
    return [first, *(url for url in map(_unnamed, extra) if url.startswith(_REMOTE))]


def _unnamed(value: str) -> str:
    """The address in uv's ``NAME=URL``, or the value itself where it has no name."""
    name, equals, url = value.partition("=")
    return url if equals and "/" not in name else value


def _config_home() -> str:
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


def _uv_configured() -> list[str]:
    found = []
    named = os.environ.get("UV_CONFIG_FILE")
    for name in (named, f"{_config_home()}/uv/uv.toml", "/etc/uv/uv.toml"):
        with contextlib.suppress(tomllib.TOMLDecodeError, OSError, UnicodeDecodeError):
            config = tomllib.loads(Path(name or os.devnull).read_text(encoding="utf-8"))
            found += [str(row.get("url")) for row in config.get("index", []) if row.get("default")]
            found += [str(config.get("index-url", "")), str(config.get("pip", {}).get("index-url", ""))]
    return found


def _pip_configured() -> list[str]:
    named = os.environ.get("PIP_CONFIG_FILE")
    files = [
        *([named] if named else []),
        f"{_config_home()}/pip/pip.conf",
        os.path.expanduser("~/.pip/pip.conf"),
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
    ]
    found = []
    for name in files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(name, encoding="utf-8")
        found.append(parser.get("global", "index-url", fallback=""))
    return found


def _download(source: Source, kept: Path) -> None:
    import requests
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError

    tried: list[str] = []
    for index in indexes():
        try:
            with PyPISimple(endpoint=index, session=_session()) as client:
                page = client.get_project_page(source.project, timeout=_TIMEOUT_S)
                package = next((p for p in page.packages if p.filename == source.filename), None)
                if package is None:
                    tried.append(f"{_shown(index)}: it has no {source.filename}")
                    continue
                with _temporary(kept) as part:
                    client.download_package(package, part, verify=False, timeout=_TIMEOUT_S)
                    _verify(part, source, _shown(index))
            return
        except (requests.RequestException, NoSuchProjectError, UnsupportedContentTypeError) as error:
            tried.append(f"{_shown(index)}: {error}")
    raise ToolError(
        f"cannot download {source.filename}",
        why="the Python package index could not be reached, or does not have it",
        fix="check the network, or set PIP_INDEX_URL to an index that has it, and run it again",
        detail="\n".join(tried),
    )


def _session() -> requests.Session:
    import requests

    session = requests.Session()
    # requests reads REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE by itself; uv's users set SSL_CERT_FILE.
    certificates = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT")
    if certificates and Path(certificates).is_file():
        session.verify = certificates
    return session


def _shown(index: str) -> str:
    """The address without a user's name and token."""
    parts = urlsplit(index)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextlib.contextmanager
def _temporary(kept: Path) -> Iterator[Path]:
    """A file beside ``kept`` that takes its name when the block ends well, and is gone otherwise."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=".part-")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)


def _verify(part: Path, source: Source, index: str) -> None:
    with part.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != source.sha256:
        raise ToolError(
            f"{source.filename} is not the file that edgepack pins",
            where=index,
            why=f"its sha256 is {digest}, expected {source.sha256}",
            fix="ask whoever runs that index; do not use the file",
        )


def _unpack(archive: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
        (part / _UNPACKED).write_text(archive.name + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ToolError(
            f"cannot unpack {archive.name}", where=str(archive), why=str(error), fix=f"delete {archive}"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
