"""A box whose Python is another than the packages are for is refused before anything changes there."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import PreflightError
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.ship import python
from edgepack.ship.deploy import deploy, plan_deploy
from edgepack.tools.qemu import host_arch
from tests.releases import bundle

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PLATFORM = f"{host_arch()}-manylinux_2_17"
WANTED = python.Wanted("3.11", "python3", "aarch64", (2, 28))
OLD = "edgepack-python 3.11 aarch64 64 cpython glibc 2.27."

SAID: dict[str, tuple[str, str, str]] = {
    "the same": ("edgepack-python 3.11 aarch64 64 cpython glibc 2.28.\n", "", ""),
    "a newer libc, and a login that talks": (
        "Welcome!\nedgepack-python 3.11 aarch64 64 cpython glibc 2.41.\n", "", "",
    ),
    "another name of the machine": ("edgepack-python 3.11 arm64 64 cpython glibc 2.31.", "", ""),
    "an older Python": (
        "edgepack-python 3.9 aarch64 64 cpython glibc 2.31.",
        "packages are for Python 3.11, and the box's `python3` is 3.9",
        "`python.program` where it has another name; or set `python.version: '3.9'`, write the packages anew",
    ),
    "Python 2": ("edgepack-python 2.7 aarch64 64 cpython glibc 2.31.", "is 2.7", "install Python 3.11"),
    "PyPy": ("edgepack-python 3.11 aarch64 64 pypy glibc 2.31.", "is pypy 3.11", "install Python 3.11"),
    "32 bits": ("edgepack-python 3.11 aarch64 32 cpython glibc 2.31.", "32 bits on aarch64", "of 64 bits"),
    "a processor": ("edgepack-python 3.11 x86_64 64 cpython glibc 2.31.", "64 bits on x86_64", "Python"),
    "an older libc": (OLD, "need glibc 2.28, and the box's `python3` runs on glibc 2.27", "targets/box.yaml"),
    "musl": ("edgepack-python 3.11 aarch64 64 cpython .", "runs on another libc", "as blocks or in C++"),
    "no Python": ("\nsh: 1: x: not found\n", "is none: sh: 1: x: not found", "as blocks or in C++"),
    "no answer": ("", "is none: no answer", "install Python 3.11"),
    "garbage": ("\x1b[2J" + "x" * 5000, "is none: ?[2Jxxx", "install Python 3.11"),
    "half a line": ("edgepack-python 3.11 aarch64", "is none: edgepack-python 3.11", "install Python 3.11"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_it_says_is_held_to_what_the_packages_are_for(case: str) -> None:
    said, what, fix = SAID[case]
    found = python.compare(WANTED, said, "box")
    if not what:
        assert found == ()
        return
    (refused,) = found
    assert what in refused.what
    assert fix in refused.fix
    assert len(refused.what) < 400


HALF: list[Any] = [None, [], {}, {"version": "3.11", "program": "p"}]


@pytest.mark.parametrize("said", [*HALF, {"version": 3, "program": "p", "platform": PLATFORM}])
def test_a_release_that_says_nothing_of_it_asks_for_nothing(said: Any) -> None:
    assert python.Wanted.of({"python": said}) is None


def asking(folder: Path, **said: str) -> Bundle:
    made = bundle(folder)
    given = {"version": VERSION, "program": sys.executable, "platform": PLATFORM, **said}
    return dataclasses.replace(made, release={**made.release, "python": given})


def test_a_real_box_is_asked(endpoint: Endpoint, tmp_path: Path) -> None:
    fits = asking(tmp_path / "b")
    with Box(endpoint) as box:
        assert python.refusals(box, fits) == ()
        assert python.refusals(box, bundle(tmp_path / "none")) == ()
        (refused,) = python.refusals(box, asking(tmp_path / "c", version="3.6"))
        assert f"for Python 3.6, and the box's `{sys.executable}` is {VERSION}" in refused.what
        (refused,) = python.refusals(box, asking(tmp_path / "d", program="no-such-python"))
        assert "`no-such-python` on the box is none: " in refused.what


def test_a_deploy_and_its_dry_run_refuse_it_and_nothing_is_there(endpoint: Endpoint, tmp_path: Path) -> None:
    other = asking(tmp_path / "b", version="3.6")
    (refused,) = plan_deploy(endpoint, other).refusals
    with pytest.raises(PreflightError, match=r"for Python 3\.6, and the box's") as told:
        deploy(endpoint, other)
    assert told.value.what in refused
    assert "nothing was changed on the box" in told.value.why
    assert not Path(endpoint.root, "apps").exists()
