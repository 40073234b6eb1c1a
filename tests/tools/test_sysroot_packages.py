"""A sysroot is what its lock says, whole or not there, and nothing in a package leads out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.errors import InputError, ToolError
from edgepack.tools import sysroot_packages as sysroots
from edgepack.tools.debian import Package
from tests.tools import packages

PATH = "pool/main/t/thing/thing_2.0-1_arm64.deb"
LIBRARY = "usr/lib/aarch64-linux-gnu/libthing.so"


def package(content: bytes) -> Package:
    return dataclasses.replace(packages.package(PATH, content), version="2.0-1")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "archive"
    (folder / PATH).parent.mkdir(parents=True)
    with packages.archive(folder) as base:
        monkeypatch.setenv("EDGEPACK_DEBIAN_MIRROR", base)
        yield folder


def lock(pool: Path, content: bytes) -> sysroots.SysrootLock:
    (pool / PATH).write_bytes(content)
    return sysroots.SysrootLock("arm64", "bookworm", ("thing",), (package(content),))


def test_it_is_unpacked_once_with_links_that_stay_inside(pool: Path, tmp_path: Path) -> None:
    links = {LIBRARY: "/lib/aarch64-linux-gnu/libthing.so.1"}
    wanted = lock(pool, packages.deb({"lib/aarch64-linux-gnu/libthing.so.1": b"ELF"}, links))
    dest, said = tmp_path / "sysroot", []
    assert sysroots.make(wanted, dest, said.append)
    assert (dest / LIBRARY).is_symlink()
    assert (dest / LIBRARY).readlink() == Path("../../../lib/aarch64-linux-gnu/libthing.so.1")
    assert (dest / LIBRARY).read_bytes() == b"ELF"
    assert said == ["1 of 1: thing 2.0-1"]
    (pool / PATH).unlink()
    assert not sysroots.make(wanted, dest, said.append), "it is there, and nothing is asked for"


@pytest.mark.parametrize("link", ["../../../../etc/passwd", "../../outside"])
def test_a_package_that_leads_out_leaves_nothing(pool: Path, tmp_path: Path, link: str) -> None:
    wanted = lock(pool, packages.deb({"usr/x": b"x"}, {"usr/bad": link}))
    with pytest.raises(ToolError):
        sysroots.make(wanted, tmp_path / "sysroot", lambda _line: None)
    assert not (tmp_path / "sysroot").exists()


def test_another_content_than_the_locked_one_is_refused(pool: Path, tmp_path: Path) -> None:
    wanted = lock(pool, packages.deb({"usr/x": b"x"}))
    (pool / PATH).write_bytes(packages.deb({"usr/x": b"y"}))
    with pytest.raises(ToolError, match=r"cannot fetch the Debian package thing 2\.0-1") as refused:
        sysroots.make(wanted, tmp_path / "sysroot", lambda _line: None)
    assert "their digest is not" in refused.value.detail
    assert "EDGEPACK_DEBIAN_MIRROR" in refused.value.fix
    assert not (tmp_path / "sysroot").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(pool: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(ToolError, match="not a sysroot of edgepack's"):
        sysroots.make(lock(pool, packages.deb({"usr/x": b"x"})), tmp_path / "mine", lambda _line: None)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_a_lock_is_read_back_as_it_was_written(pool: Path, tmp_path: Path) -> None:
    wanted = lock(pool, packages.deb({"usr/x": b"x"}))
    wanted.write(tmp_path / "sysroot.lock.json")
    assert sysroots.read(tmp_path / "sysroot.lock.json") == wanted
    assert "http" not in (tmp_path / "sysroot.lock.json").read_text(), "a lock names no host"


WRONG = {
    "no JSON": "{",
    "no packages": '{"arch": "arm64", "suite": "bookworm", "asked": []}',
    "a path that leads out": '{"arch": "arm64", "suite": "b", "asked": [], "packages": [{"name": "x",'
    ' "version": "1", "path": "../../x", "size": 1, "sha256": "' + "0" * 64 + '", "source": ""}]}',
    "no digest": '{"arch": "arm64", "suite": "b", "asked": [], "packages": [{"name": "x", "version": "1",'
    ' "path": "pool/x", "size": 1, "sha256": "", "source": ""}]}',
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_file_that_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(InputError, match="lock is not a lock of a sysroot") as refused:
        sysroots.read(tmp_path / "lock")
    assert "--update" in refused.value.fix


@pytest.mark.parametrize(("suite", "name"), [("bookworm", "-o"), ("bookworm", "a b"), ("../x", "libc6-dev")])
def test_what_is_no_name_never_reaches_apt(suite: str, name: str) -> None:
    with pytest.raises(InputError, match="not a name of Debian's"):
        sysroots.resolve("arm64", suite, [name], lambda _line: None)
