"""The campaign of deploys that are struck down: what it draws, what its judge calls wrong, and its page."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.chaos import host, judge, mutant, page, plan, releases, rows, steps
from bench.chaos.judge import Lives, Promise, Seen
from bench.chaos.link import Link
from bench.chaos.releases import APP
from bench.chaos.site import site_of
from bench.chaos.trial import Row, run
from edgepack.box import script
from tests.box.boxsh import until

OLD, NEW, THIRD = "a" * 64, "b" * 64, "c" * 64
SUMS = {OLD: {"bin/digits": "1"}, NEW: {"bin/digits": "2"}, THIRD: {"bin/digits": "3"}}
PROMISE = Promise(OLD, NEW, SUMS)
RUNS_OLD = Seen(OLD, "", {OLD: SUMS[OLD]}, frozenset(), ())
RUNS_NEW = Seen(NEW, OLD, {OLD: SUMS[OLD], NEW: SUMS[NEW]}, frozenset(), ())
LIVES_OLD = Lives([OLD], 1, 0, answers=True)
LIVES_NEW = Lives([NEW], 1, 0, answers=True)
EMPTY = Seen("", "", {}, frozenset(), ())
FIRST = replace(PROMISE, before="")


@pytest.mark.parametrize(
    ("promise", "found", "lives", "fault"),
    [
        (PROMISE, RUNS_OLD, LIVES_OLD, None),
        (PROMISE, RUNS_NEW, LIVES_NEW, None),
        (PROMISE, replace(RUNS_NEW, marks=frozenset({"unconfirmed"})), LIVES_NEW, None),
        (replace(PROMISE, said=9), RUNS_NEW, LIVES_NEW, None),
        (FIRST, EMPTY, Lives([], 0, 0, answers=False), None),
        (FIRST, replace(RUNS_NEW, previous=""), LIVES_NEW, None),
        (PROMISE, EMPTY, Lives([], 0, 0, answers=False), "the release is none"),
        (PROMISE, replace(RUNS_OLD, current=THIRD), LIVES_OLD, "the release is ccc"),
        (PROMISE, replace(RUNS_OLD, releases={}), LIVES_OLD, "files are not there"),
        (PROMISE, replace(RUNS_OLD, releases={OLD: {}}), LIVES_OLD, "the old release is not whole"),
        (PROMISE, replace(RUNS_OLD, releases={OLD: SUMS[NEW]}), LIVES_OLD, "the old release is not whole"),
        (
            PROMISE,
            replace(RUNS_OLD, releases={OLD: SUMS[OLD], NEW: {}}),
            LIVES_OLD,
            "the new release is not whole",
        ),
        (PROMISE, replace(RUNS_OLD, releases={OLD: SUMS[OLD], "d" * 64: {}}), LIVES_OLD, "never deployed"),
        (PROMISE, replace(RUNS_NEW, releases={NEW: SUMS[NEW]}), LIVES_NEW, "to go back to is not there"),
        (replace(PROMISE, said=0), RUNS_OLD, LIVES_OLD, "the deploy had succeeded"),
        (replace(PROMISE, refused=True), RUNS_NEW, LIVES_NEW, "the release is the new"),
        (replace(PROMISE, refused=True, said=0), RUNS_OLD, LIVES_OLD, "not right succeeded"),
        (PROMISE, RUNS_OLD, LIVES_NEW, "the new runs, and the release is the old"),
        (PROMISE, RUNS_OLD, replace(LIVES_OLD, programs=[]), "nothing runs"),
        (PROMISE, RUNS_OLD, replace(LIVES_OLD, programs=[OLD, NEW]), "the old, the new runs"),
        (PROMISE, RUNS_OLD, replace(LIVES_OLD, supervisors=2), "2 supervisors"),
        (PROMISE, RUNS_OLD, replace(LIVES_OLD, proof=8), "the golden vectors of the old ended with 8"),
        (PROMISE, RUNS_OLD, replace(LIVES_OLD, answers=False), "nobody is answered"),
    ],
)
def test_what_a_box_has_recovered_to(promise: Promise, found: Seen, lives: Lives, fault: str | None) -> None:
    faults = judge.settled(promise, found, lives)
    assert bool(faults) is (fault is not None)
    assert fault is None or fault in " ".join(faults)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (RUNS_NEW, None),
        (replace(RUNS_NEW, previous=""), "to go back to is none"),
        (replace(RUNS_NEW, marks=frozenset({"confirmed"})), "confirmed is there"),
        (replace(RUNS_NEW, litter=("incoming/x",)), "incoming/x is left"),
        (RUNS_OLD, "the release is the old"),
    ],
)
def test_what_the_next_deploy_leaves(found: Seen, fault: str | None) -> None:
    faults = judge.again(PROMISE, found, LIVES_NEW)
    assert bool(faults) is (fault is not None)
    assert fault is None or fault in " ".join(faults)


def test_a_box_is_seen_as_it_lies_on_the_disk(tmp_path: Path) -> None:
    app = tmp_path / "apps" / APP
    release = app / "releases" / NEW
    (release / "bin").mkdir(parents=True)
    (release / "bin" / "digits").write_bytes(b"x")
    (app / "releases" / f"{NEW}.list").write_text("2d71 0755 bin/digits\n")
    (app / "current").symlink_to(f"releases/{NEW}")
    (tmp_path / "store").mkdir()
    for path in ("store/2d71", "store/gone", "apps/digits/unconfirmed", "lock"):
        (tmp_path / path).write_text("")
    (app / "releases" / f"{OLD}.tmp").mkdir()
    found = judge.seen(tmp_path)
    assert (found.current, found.previous, found.marks) == (NEW, "", frozenset({"unconfirmed"}))
    assert {path: digest[:4] for path, digest in found.releases[NEW].items()} == {"bin/digits": "2d71"}
    assert found.litter == (f"apps/digits/releases/{OLD}.tmp", "lock", "store/gone")


def test_steps_are_seen_in_their_order(tmp_path: Path) -> None:
    at = steps.Going(tmp_path, OLD, NEW, "ff")
    app = tmp_path / "apps" / APP
    (app / "releases").mkdir(parents=True)
    assert steps.furthest(at) == "begun"
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "token").touch()
    assert steps.furthest(at) == "locked"
    assert not steps.reached("sending", at)
    (app / "releases" / NEW).mkdir()
    assert steps.furthest(at) == "staged"
    assert steps.reached("sent", at)
    (app / "unconfirmed").write_text(f"token {NEW} {OLD} 1 boot\n")
    assert steps.furthest(at) == "switching"
    (app / "current").symlink_to(f"releases/{NEW}")
    assert steps.furthest(at) == "switched"
    (app / "unconfirmed").unlink()
    assert steps.furthest(at) == "confirming"
    (tmp_path / "lock" / "token").unlink()
    (tmp_path / "lock").rmdir()
    assert steps.furthest(at) == "unlocked"


def test_trials_are_drawn_by_the_seed_and_every_blow_comes_at_every_step() -> None:
    for kind, blows in (("sandbox", plan.BLOWS), ("debian", (*plan.BLOWS, *plan.FULL))):
        drawn = [plan.trial(kind, "x", number) for number in range(600)]
        assert drawn == [plan.trial(kind, "x", number) for number in range(600)]
        assert drawn != [plan.trial(kind, "y", number) for number in range(600)]
        pairs = Counter((trial.blow, trial.step) for trial in drawn)
        wanted = {(blow, step) for blow in blows for step in (*steps.STEPS, plan.ANY)}
        assert wanted <= pairs.keys()
        assert {trial.blow for trial in drawn} == {*blows, *plan.REFUSED}


def test_what_is_taken_out_is_in_the_script_and_only_that() -> None:
    for name, changes in mutant.MUTANTS.items():
        spoiled = mutant.text(name)
        assert spoiled != script.text()
        assert len(script.text()) - len(spoiled) == sum(len(old) - len(new) for old, new in changes)


@pytest.fixture
def link() -> Iterator[tuple[Link, socket.socket]]:
    """A link to a server that sends everything back, and a connection through it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            near, _ = server.accept()
            with near:
                while data := near.recv(4096):
                    near.sendall(data)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        made = Link(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", made.port), timeout=30) as connection:
            connection.sendall(b"hello")
            assert connection.recv(5) == b"hello"
            yield made, connection
        made.close()
        thread.join(30)
        assert not thread.is_alive()


def test_a_link_is_cut(link: tuple[Link, socket.socket]) -> None:
    made, connection = link
    made.cut()
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_a_link_falls_silent_and_nobody_is_told(link: tuple[Link, socket.socket]) -> None:
    made, connection = link
    made.freeze()
    connection.sendall(b"anybody?")
    connection.settimeout(0.5)
    with pytest.raises(TimeoutError):
        connection.recv(1)


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", ["", "no-verify"])
def test_a_box_that_verifies_nothing_is_called_wrong(tmp_path: Path, spoiled: str) -> None:
    """The same trial on a box with the script as it is, and with one that asks nobody for a proof."""
    wrong = plan.Trial(0, plan.WRONG, "sent", 0.0, (), first=False, waits=False)
    with site_of(tmp_path / "box", "box", releases.built(), "sandbox", spoiled) as site:
        row = run(site, wrong)
    assert bool(row.faults) == bool(spoiled), row
    assert not spoiled or "the release is the new" in row.faults


ROW = Row(7, "sandbox", plan.DEPLOYER, "switched", "started", False, "", "the new", -9, 0.5, 0.4, 9.0, ())


def test_rows_come_back_and_the_page_counts_them(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    assert rows.load(file) == []
    wrong = replace(ROW, number=8, faults=("nobody is answered",), release="the old")
    for row in (ROW, wrong, replace(ROW, number=9, release="void")):
        rows.add(file, rows.Kept("x", "abc", row))
    kept = rows.load(file)
    assert [one.row for one in kept][:2] == [ROW, wrong]
    cut = rows.CutRow("update", "in order", "staging", "1.0.0", "1.0.0", ())
    rows.keep_cuts(file, "x", [cut, replace(cut, faults=("wrong",))])
    version = page.Version("fff", kept, rows.load_cuts(file))
    said = page.page([version], [("no-sync", 3, 2, "x | y")])
    assert "**2 trials on x86 boxes, 0 on the board, 2 cuts of the power; 2 wrong.**" in said
    assert "| `fff` |" in said
    assert f"| {plan.DEPLOYER} | sandbox | 2 | 1 | 1 | 0 | 1 | 0.5 / 0.5 | 0.4 / 0.4 |" in said
    assert "| started | 2 | 1 | 1 | 0 | 1 |" in said
    assert "- `fff`, sandbox 8 of `x`, the deployer is killed at started: nobody is answered" in said
    assert "- `fff`, 1 cuts, update, staging: wrong" in said
    assert "**2 cuts, 1 wrong**" in said
    assert "| nothing is synced | 3 | 2 | x / y |" in said


@pytest.mark.parametrize(
    ("moment", "stood"), [(0.0, 16.0), (5.0, 12.0), (10.0, 10.0), (25.0, 5.0), (31.0, 0.0)]
)
def test_only_what_stood_still_during_a_trial_counts(moment: float, stood: float) -> None:
    assert host.Stalls([(1.0, 7.0), (20.0, 30.0)]).since(moment) == stood


def test_a_disk_that_works_did_not_stand_still_and_one_that_does_is_seen_at_once(tmp_path: Path) -> None:
    with host.watched(tmp_path) as stalls:
        assert until((tmp_path / "host.watched").exists)
    stalls.seen.clear()
    stalls.begun = time.monotonic() - 2 * host.LONG_S
    assert stalls.since(time.monotonic() - host.LONG_S) == pytest.approx(host.LONG_S, abs=1)
