"""The programs start with the box, by what it has; where nothing may be written, the line to add is said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from . import rootfs
from .board import Board
from .boxes import Box, Kind
from .project import HOST_TARGET, Releases
from .site import NEW, OLD, Site

# As a restart leaves it: nothing runs.
ALL_ENDS = "for pid in $(pgrep -f 'supervise digits'; pgrep digits); do kill -KILL $pid; done"
MakeBox = Callable[[Kind], Box]


def _status(site: Site) -> dict[str, Any]:
    """The box's row, whatever it says."""
    (row,) = json.loads(site.project.run("status", "box-01", "--json").stdout)
    return dict(row)


def _comes_back(site: Site, version: str, seconds: float = 90) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        row = _status(site)
        if (row["state"], row["version"]) == ("running", version):
            return
        time.sleep(1)
    raise AssertionError(row)


def test_sysvinit_starts_it(make_box: MakeBox, releases: Releases) -> None:
    site = Site(make_box(Kind(rootfs.DEBIAN)).endpoint("root"), releases, HOST_TARGET)
    site.enter_fleet()
    assert site.deploy(OLD)["starts_at_boot"] == "sysvinit"
    assert _status(site)["starts_at_boot"] is True
    (script,) = site.endpoint.said("ls /etc/rc2.d/S??edgepack-*").split()
    site.endpoint.ssh(ALL_ENDS)
    assert _status(site)["state"] == "stopped"
    assert site.endpoint.ssh(f"{script} stop").ok
    assert site.endpoint.ssh(f"{script} start").ok
    _comes_back(site, OLD)


@pytest.mark.parametrize("userland", [rootfs.DEBIAN, rootfs.BUSYBOX], ids=lambda userland: userland.name)
def test_an_account_that_may_not_is_told_the_line_and_the_line_works(
    make_box: MakeBox, releases: Releases, userland: rootfs.Userland
) -> None:
    site = Site(make_box(Kind(userland)).endpoint(), releases, HOST_TARGET)
    site.enter_fleet()
    bundle = str(releases.bundle(OLD, HOST_TARGET))
    planned = site.said("deploy", "--bundle", bundle, "--dry-run")
    done = site.deploy(OLD)
    line = done["boot_line"]
    assert line == "sh /home/edge/edgepack/bin/boot.sh"
    assert planned["steps"][-1].endswith(line)
    (beforehand,) = done["beforehand"]
    assert beforehand.endswith(line)
    assert done["starts_at_boot"] == ""
    assert _status(site)["starts_at_boot"] is False
    site.endpoint.ssh(ALL_ENDS)
    assert site.endpoint.ssh(line).ok
    _comes_back(site, OLD)


@pytest.mark.parametrize("board", [rootfs.BUSYBOX], indirect=True, ids=["busybox"])
def test_a_board_whose_plug_was_pulled_answers_again_by_itself(board: Board, releases: Releases) -> None:
    site = Site(board.endpoint("root"), releases, "aarch64")
    site.enter_fleet()
    assert site.deploy(OLD)["starts_at_boot"] == "rcS"
    site.deploy(NEW)
    board.pull_power()
    board.boot()
    _comes_back(site, NEW)
    site.answers(NEW)
    journal = [line["text"] if isinstance(line, dict) else line for line in site.said("logs", "--journal")]
    assert any(" boot digits " in str(line) for line in journal)
