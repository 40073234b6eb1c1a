"""The whole way on a real arm64 machine, emulated: deploy, every held-out image, back, and a pulled plug.

Of the pulled plug this is a slice, drawn by the commit; `make plug-pulling` does every point there is.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from edgepack.errors import Exit

from . import board_story, power_cut, rootfs, seed, whole_way
from .board import Board
from .project import Releases
from .site import NEW, OLD, Site
from .whole_way import WholeWay

ON_DEBIAN = pytest.mark.parametrize("board", [rootfs.DEBIAN], indirect=True, ids=["debian"])
LIVE_PULLS = 1  # of board_story.PULLS: a deploy, a boot and a deploy again; `make show-board` does all
STRETCHES = 8  # of each step's writes, one cut out of each


@pytest.fixture(scope="module")
def site(board: Board, releases: Releases) -> Site:
    made = Site(board.endpoint(), releases, "aarch64")
    made.enter_fleet()
    return made


@pytest.fixture(scope="module")
def way(board: Board, site: Site) -> WholeWay:
    return whole_way.done(board, site)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """A line in the run's output, whatever comes of the test."""

    def out(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="", flush=True)

    return out


def test_whole_way(way: WholeWay, site: Site) -> None:
    assert way.first["outcome"] == "deployed"
    assert way.first["proof"]["ok"] is True

    told = way.answers
    assert np.array_equal(told.classes, told.live.classes)
    assert np.array_equal(told.logits.argmax(axis=1), told.live.classes)
    gates = way.first["proof"]["gates"]
    assert told.largest_difference() <= told.allowed_difference(gates["max_abs"])
    assert told.smallest_cosine() >= gates["cosine"]

    assert way.second["previous"] == site.digest(OLD)
    assert way.second["bytes_sent"] < way.first["bytes_sent"]
    assert way.back["release"] == site.digest(OLD)


def test_x86_program_is_refused(way: WholeWay, site: Site) -> None:
    bundle = site.releases.bundle(NEW, "x86_64")
    code, error = site.project.refused("deploy", "box-01", "--bundle", bundle)
    assert code == Exit.PREFLIGHT
    assert "x86_64" in str(error["what"])
    site.answers(OLD)


@ON_DEBIAN
def test_cut_after_any_write_leaves_the_old_or_the_new_release(
    way: WholeWay, say: Callable[[str], None]
) -> None:
    drawn_by = seed.of_this_run()
    chosen = power_cut.sample(way.recording, drawn_by, STRETCHES)
    total = len(power_cut.points(way.recording))
    say(f"{seed.VARIABLE}={drawn_by}: cut after write {'; '.join(map(str, chosen))} ({total} in all)")
    cuts = power_cut.run_all(way.recording, chosen, drawn_by, lambda _: None)
    assert [cut for cut in cuts if cut.faults] == []
    assert {cut.found for cut in cuts} == {power_cut.NONE, OLD, NEW}


@ON_DEBIAN
def test_disk_that_lies_about_its_flushes_is_found_out(way: WholeWay, say: Callable[[str], None]) -> None:
    """Nothing holds on such a disk. Were no fault seen there, none would be seen anywhere."""
    chosen = [power_cut.Point(step.ended, step, power_cut.CACHE_LOST) for step in way.recording.steps]
    say(f"cut after write {'; '.join(map(str, chosen))}, on a disk that lies")
    cuts = power_cut.run_all(way.recording, chosen, "lies", lambda _: None, lies=12)
    assert [cut for cut in cuts if cut.faults]


@ON_DEBIAN
def test_pulled_plug_leaves_a_board_that_can_be_deployed_to(
    board: Board, site: Site, way: WholeWay, say: Callable[[str], None]
) -> None:
    drawn_by = seed.of_this_run()
    for stage, delay_s in random.Random(drawn_by).sample(board_story.PULLS, LIVE_PULLS):
        say(f"{seed.VARIABLE}={drawn_by}: the plug pulled {delay_s} s into {stage}")
        found = board_story.pull(board, site, stage, delay_s)
        assert found.code == Exit.UNREACHABLE
        unswitched = stage in ("send", "stage", "prove")
        assert found.current in (("old",) if unswitched else ("old", "new"))
        assert (found.damaged, found.proof) == ((), 0)
