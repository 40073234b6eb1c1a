"""Nothing to do is said only when nothing can have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.cli import quick

WORDS = ["build", "-C", "."]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".edgepack").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.cpp").write_text("int a;")
    old = time.time() - 100
    for path in (tmp_path / "src" / "a.cpp", tmp_path / "src"):
        os.utime(path, (old, old))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def remember(project: Path) -> None:
    paths = [str(project / "src"), str(project / "src" / "a.cpp")]
    quick.remember(str(project), WORDS, paths, "nothing to do\n  two lines\n", time.time_ns() + 10**9)


def test_it_says_what_was_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick.nothing_to_do(WORDS) is None
    remember(project)
    assert quick.nothing_to_do(WORDS) == 0
    assert capsys.readouterr().out == "nothing to do\n  two lines\n"
    assert quick.nothing_to_do([*WORDS, "--json"]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda p: (p / "src" / "a.cpp").write_text("int b;"),  # the same size
        lambda p: (p / "src" / "a.cpp").unlink(),
        lambda p: (p / "src" / "new.h").touch(),
        lambda p: os.environ.__setitem__("EDGEPACK_CACHE", "/elsewhere"),
        lambda p: (p / ".edgepack" / "quick").write_bytes(b"\xff\xfe=\n\n="),
        lambda p: (p / ".edgepack" / "quick").write_text("=build\x1f-C\x1f.\n\n"),
    ],
)
def test_any_change_is_a_reason_to_look(
    project: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", "/here")
    remember(project)
    assert quick.nothing_to_do(WORDS) == 0
    change(project)
    assert quick.nothing_to_do(WORDS) is None


def test_a_change_that_keeps_size_and_mtime_is_seen(project: Path) -> None:
    remember(project)
    file = project / "src" / "a.cpp"
    stat = file.stat()
    file.write_text("int b;")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert quick.nothing_to_do(WORDS) is None


def test_what_was_touched_during_the_build_is_not_remembered(project: Path) -> None:
    paths = [str(project / "src" / "a.cpp")]
    (project / "src" / "a.cpp").write_text("int c;")
    quick.remember(str(project), WORDS, paths, "nothing to do\n", time.time_ns())
    assert quick.nothing_to_do(WORDS) is None
