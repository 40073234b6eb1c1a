"""What every lab test stands on. A lab that is not set up fails and says what to do; it never skips."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import rootfs
from .board import Board
from .boxes import Box, Kind
from .project import HOST_TARGET, Project, Releases, build_releases

SETUP = Path(__file__).with_name("setup")
PACKAGES = Path(__file__).with_name("packages.txt")


def _packages() -> list[str]:
    lines = (line.partition("#")[0].strip() for line in PACKAGES.read_text().splitlines())
    return [line for line in lines if line]


def _missing() -> list[str]:
    """The lab's Debian packages that are not installed."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *_packages()]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    installed = {line.split()[0] for line in said if line.endswith(" installed")}
    return [name for name in _packages() if name not in installed]


@pytest.fixture(scope="session", autouse=True)
def lab() -> None:
    """Root, and every package of ``packages.txt``."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root, for boxes with their own filesystem: sudo make test-lab")
    if missing := _missing():
        pytest.fail(f"the lab lacks {', '.join(missing)}: run {SETUP} as root, or make test-lab")


@pytest.fixture(scope="module", params=[rootfs.DEBIAN, rootfs.BUSYBOX], ids=lambda userland: userland.name)
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """The emulated arm64 board, powered on; once with each userland, in each file of tests."""
    made = Board(tmp_path_factory.mktemp("board"), request.param)
    made.boot()
    yield made
    made.power_off()


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[Callable[[Kind], Box]]:
    """Boxes of any kind, up for one test."""
    made: list[Box] = []

    def make(kind: Kind) -> Box:
        made.append(Box(tmp_path / f"box-{len(made)}", kind))
        made[-1].start()
        return made[-1]

    yield make
    for box in made:
        box.stop()


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """``examples/digits`` built twice, for this host's architecture and for the arm64 board."""
    return build_releases(Project(tmp_path_factory.mktemp("digits") / "digits"), (HOST_TARGET, "aarch64"))
