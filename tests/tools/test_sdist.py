"""A source release comes from the user's own index, whole, or not at all."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.errors import ToolError
from edgepack.tools import sdist
from edgepack.tools.sdist import Source

_INDEX_VARIABLES = (
    *("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
    *("PIP_CONFIG_FILE", "UV_CONFIG_FILE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
)


def archive(*members: tuple[str, bytes], link: tuple[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if link is not None:
            entry = tarfile.TarInfo(link[0])
            entry.type, entry.linkname = tarfile.SYMTYPE, link[1]
            tar.addfile(entry)
    return packed.getvalue()


RELEASE = archive(("tiny-1.0/CMakeLists.txt", b"project(tiny)\n"), ("tiny-1.0/src/a.c", b"int a;\n"))


def source_of(content: bytes, filename: str = "tiny-1.0.tar.gz") -> Source:
    return Source("tiny", filename, hashlib.sha256(content).hexdigest())


class Index(http.server.ThreadingHTTPServer):
    """A Python package index on loopback, and what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {"tiny-1.0.tar.gz": RELEASE}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        name = self.path.rpartition("/")[2]
        if self.path == "/simple/tiny/":
            links = "".join(f'<a href="/files/{f}">{f}</a>' for f in self.server.files)
            self._answer(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        elif name in self.server.files:
            self._answer(200, self.server.files[name], "application/octet-stream")
        else:
            self._answer(404, b"", "text/plain")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _INDEX_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with Index() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", server.url)
        yield server
        server.shutdown()
        thread.join()


def test_a_release_is_fetched_once_and_unpacked_once(index: Index) -> None:
    folder = sdist.unpack(source_of(RELEASE))
    assert (folder / "src" / "a.c").read_text() == "int a;\n"
    assert sdist.unpack(source_of(RELEASE)) == folder
    assert sdist.fetch(source_of(RELEASE)).read_bytes() == RELEASE
    assert index.asked == ["/simple/tiny/", "/files/tiny-1.0.tar.gz"]


def test_another_files_bytes_are_refused_and_not_kept(index: Index, tmp_path: Path) -> None:
    wanted = source_of(RELEASE)
    index.files["tiny-1.0.tar.gz"] = RELEASE + b"\0"
    with pytest.raises(ToolError, match="not the file that edgepack pins") as refused:
        sdist.fetch(wanted)
    assert wanted.sha256 in refused.value.why
    assert [path for path in (tmp_path / "cache" / "downloads").rglob("*") if path.suffix != ".lock"] == [
        tmp_path / "cache" / "downloads" / wanted.sha256
    ]
    index.files["tiny-1.0.tar.gz"] = RELEASE
    assert sdist.fetch(wanted).read_bytes() == RELEASE


def test_a_release_that_the_index_lacks_is_named(index: Index) -> None:
    with pytest.raises(ToolError, match=r"tiny-2\.0\.tar\.gz") as refused:
        sdist.fetch(source_of(RELEASE, "tiny-2.0.tar.gz"))
    assert "it has no tiny-2.0.tar.gz" in refused.value.detail


def test_without_a_network_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # Port 1 of loopback: nobody listens, and the answer comes at once.
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:1/simple")
    with pytest.raises(ToolError, match=r"cannot download tiny-1\.0\.tar\.gz") as refused:
        sdist.fetch(source_of(RELEASE))
    said = f"{refused.value.what} {refused.value.why} {refused.value.fix} {refused.value.detail}"
    assert "check the network" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({"PIP_INDEX_URL": "https://pip.test/simple"}, "https://pip.test/simple"),
        (
            {"UV_INDEX_URL": "https://uv.test/simple", "PIP_INDEX_URL": "https://pip.test/simple"},
            "https://uv.test/simple",
        ),
        ({"UV_DEFAULT_INDEX": "corp=https://uv.test/simple"}, "https://uv.test/simple"),
        ({"UV_DEFAULT_INDEX": "https://uv.test/simple?a=b"}, "https://uv.test/simple?a=b"),
        (
            {"UV_DEFAULT_INDEX": "file:///srv/wheels", "PIP_INDEX_URL": "https://pip.test/"},
            "https://pip.test/",
        ),
    ],
)
def test_the_index_is_the_one_the_user_has(
    environment: dict[str, str], first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sdist.indexes()[0] == first


def test_pips_configuration_is_read_and_a_broken_one_is_not_our_affair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    config.write_text("[global]\nindex-url = https://pip.test/simple\n")
    assert sdist.indexes()[0] == "https://pip.test/simple"
    config.write_text("index-url = https://pip.test/simple\n")
    assert sdist.indexes()[0].startswith("https://")


@pytest.mark.parametrize(
    "text",
    [
        '[[index]]\nurl = "https://no.test/"\n[[index]]\nurl = "https://uv.test/simple"\ndefault = true\n',
        'index-url = "https://uv.test/simple"\n',
        '[pip]\nindex-url = "https://uv.test/simple"\n',
    ],
)
def test_uvs_configuration_is_read_before_pips(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config" / "uv").mkdir(parents=True)
    (tmp_path / "config" / "uv" / "uv.toml").write_text(text)
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.test/simple")
    assert sdist.indexes() == ["https://uv.test/simple"]


def test_further_indexes_are_asked_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.test/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.test/simple file:///srv/wheels")
    assert sdist.indexes() == ["https://pip.test/simple", "https://more.test/simple"]


@pytest.mark.parametrize(
    "hostile",
    [
        archive(("tiny-1.0/a", b"a"), ("../outside", b"x")),
        archive(("tiny-1.0/a", b"a"), link=("tiny-1.0/out", "/etc")),
        archive(("tiny-1.0/a", b"a"), link=("tiny-1.0/out", "../../..")),
        RELEASE[:60],
        b"not an archive",
    ],
    ids=["a parent's file", "a link to the root", "a link above it", "cut off", "no archive"],
)
def test_an_archive_that_is_damaged_or_reaches_out_is_refused(
    hostile: bytes, index: Index, tmp_path: Path
) -> None:
    index.files["tiny-1.0.tar.gz"] = hostile
    with pytest.raises(ToolError, match=r"cannot unpack tiny-1\.0\.tar\.gz"):
        sdist.unpack(source_of(hostile))
    assert not list((tmp_path / "cache" / "sources").glob("*/"))
    assert not (tmp_path / "cache" / "outside").exists()
