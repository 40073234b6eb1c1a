"""The whole way on a real arm64 machine, emulated: deploy, every held-out image, back, and a pulled plug."""

from __future__ import annotations

import numpy as np
import pytest

from edgepack.errors import Exit

from . import board_story, rootfs
from .board import Board
from .project import Releases
from .site import NEW, OLD, Site

ON_DEBIAN = pytest.mark.parametrize("board", [rootfs.DEBIAN], indirect=True, ids=["debian"])


@pytest.fixture
def site(board: Board, releases: Releases) -> Site:
    made = Site(board.endpoint(), releases, "aarch64")
    made.enter_fleet()
    return made


def test_whole_way(site: Site) -> None:
    first = site.deploy(OLD)
    assert first["outcome"] == "deployed"
    assert first["proof"]["ok"] is True
    site.answers(OLD)

    told = board_story.answers(site)
    assert np.array_equal(told.classes, told.live.classes)
    assert np.array_equal(told.logits.argmax(axis=1), told.live.classes)
    gates = first["proof"]["gates"]
    assert told.largest_difference() <= told.allowed_difference(gates["max_abs"])
    assert told.smallest_cosine() >= gates["cosine"]

    second = site.deploy(NEW)
    assert second["previous"] == site.digest(OLD)
    assert second["bytes_sent"] < first["bytes_sent"]
    site.answers(NEW)
    assert site.said("rollback")["release"] == site.digest(OLD)
    site.answers(OLD)


def test_x86_program_is_refused(site: Site) -> None:
    site.deploy(OLD)
    bundle = site.releases.bundle(NEW, "x86_64")
    code, error = site.project.refused("deploy", "box-01", "--bundle", bundle)
    assert code == Exit.PREFLIGHT
    assert "x86_64" in str(error["what"])
    site.answers(OLD)


@ON_DEBIAN
@pytest.mark.parametrize(("stage", "delay_s"), board_story.PULLS)
def test_pulled_plug_leaves_the_old_or_the_new_release(
    board: Board, site: Site, stage: str, delay_s: float
) -> None:
    found = board_story.pull(board, site, stage, delay_s)
    assert found.code == Exit.UNREACHABLE
    assert found.current == "old" if stage in ("send", "stage", "prove") else found.current in ("old", "new")
    assert (found.damaged, found.proof) == ((), 0)
