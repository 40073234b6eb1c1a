from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from edgepack.errors import ToolError
from edgepack.tools import debian
from tests.tools import packages

PATH = "pool/main/t/thing/thing_2.0+ds-1~deb12_amd64.deb"
CONTENT = packages.deb({"usr/bin/thing": b"#!/bin/sh\n" + b"x" * 700_000})


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    file = tmp_path / "archive" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return tmp_path / "archive"


def fetch(package: debian.Package, base: str) -> tuple[bytes, list[tuple[str, int, int]]]:
    seen: list[tuple[str, int, int]] = []
    (url,) = debian.addresses(package, [base])
    with debian.fetched(package, url, {}, lambda *step: seen.append(step)) as file:
        return file.read_bytes(), seen


def test_a_package_comes_with_its_progress_in_bytes_and_leaves_no_file(pool: Path) -> None:
    with packages.archive(pool) as base:
        content, seen = fetch(packages.package(PATH, CONTENT), base)
    assert content == CONTENT
    assert {text for text, _, _ in seen} == {"fetching thing 2.0-1"}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1:] == (len(CONTENT), len(CONTENT))


WRONG = {
    "another digest": ({"sha256": "0" * 64}, "their digest is not"),
    "larger than pinned": ({"size": len(CONTENT) - 1}, "larger than"),
    "not there": ({"path": "pool/main/t/gone.deb"}, "the archive answers 404"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_another_file_than_the_pinned_one_is_refused(
    pool: Path, change: dict[str, object], words: str
) -> None:
    package = dataclasses.replace(packages.package(PATH, CONTENT), **change)  # type: ignore[arg-type]
    with packages.archive(pool) as base, pytest.raises(debian.NotHad, match=words):
        fetch(package, base)


def test_a_cut_transfer_is_refused(pool: Path) -> None:
    (pool / PATH).write_bytes(CONTENT[:-10])
    with packages.archive(pool) as base, pytest.raises(debian.NotHad, match="digest"):
        fetch(packages.package(PATH, CONTENT), base)


def test_an_archive_that_does_not_answer_is_a_reason_and_no_traceback() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(debian.NotHad, match="refused"):
            fetch(packages.package(PATH, CONTENT), base)


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2"])
def test_one_file_is_taken_out_whole_and_executable(tmp_path: Path, compression: str) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(packages.deb({"usr/bin/a": b"A" * 99_999, "usr/bin/b": b"B"}, {}, compression))
    found = debian.extract(
        package, {"usr/bin/a": tmp_path / "out" / "a", "usr/bin/c": tmp_path / "out" / "c"}
    )
    assert found == {"usr/bin/a"}
    assert (tmp_path / "out" / "a").read_bytes() == b"A" * 99_999
    assert (tmp_path / "out" / "a").stat().st_mode & 0o777 == 0o755
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a"]


def test_links_in_a_package_are_never_followed_or_made(tmp_path: Path) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(packages.deb({"../../escaped": b"x"}, {"usr/bin/a": "/etc/passwd"}))
    assert debian.extract(package, {"usr/bin/a": tmp_path / "out" / "a"}) == frozenset()
    assert not (tmp_path / "out").exists()
    assert not (tmp_path.parent / "escaped").exists()


DAMAGED = {
    "empty": b"",
    "not an archive": b"<html>404</html>",
    "cut in its headers": CONTENT[:100],
    "cut in its data": CONTENT[: len(CONTENT) // 2],
    "no data": b"!<arch>\n" + packages.member("debian-binary", b"2.0\n"),
    "damaged header": b"!<arch>\n" + b"x" * 60,
    "data is no tar": b"!<arch>\n" + packages.member("data.tar.xz", b"nothing of the kind"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_package_is_said_to_be_one_and_gives_nothing(tmp_path: Path, content: bytes) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(content)
    with pytest.raises(ToolError, match="not a Debian package"):
        debian.extract(package, {"usr/bin/thing": tmp_path / "thing"})
    assert [p.name for p in tmp_path.iterdir()] == ["a.deb"]
