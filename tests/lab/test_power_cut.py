"""What is judged of a board's disk after a power cut, what is drawn of all cuts, and their log."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from . import disk_log, power_cut
from .power_cut import IN_ORDER, NONE, Look, Point, Recording, State, Step
from .site import NEW, OLD

OLD_DIGEST, NEW_DIGEST = "a" * 64, "b" * 64
SUMS = {OLD: {"bin/digits": "1"}, NEW: {"bin/digits": "2"}}
STEP = Step("update", OLD, NEW, began=2, ended=6, until=8)
RUNS_OLD = State(OLD_DIGEST, frozenset(), SUMS[OLD], "0")
RUNS_NEW = State(NEW_DIGEST, frozenset(), SUMS[NEW], "0")
UNCONFIRMED = replace(RUNS_NEW, marks=frozenset({"unconfirmed"}))
GONE = State("", frozenset(), {}, "")


def recording(log: Path = Path("log")) -> Recording:
    return Recording(Path("disk"), log, (STEP,), {OLD_DIGEST: OLD, NEW_DIGEST: NEW}, SUMS)


@pytest.mark.parametrize(
    ("at", "found", "repaired", "fault"),
    [
        (3, RUNS_OLD, RUNS_OLD, None),
        (5, UNCONFIRMED, RUNS_OLD, None),
        (5, RUNS_NEW, RUNS_NEW, None),
        (7, RUNS_NEW, RUNS_NEW, None),
        (7, RUNS_NEW, replace(RUNS_NEW, proof="known"), None),
        (5, UNCONFIRMED, RUNS_NEW, "and not 1.0.0"),
        (5, RUNS_NEW, RUNS_OLD, "and not 1.1.0"),
        (5, UNCONFIRMED, UNCONFIRMED, "still half-way"),
        (6, RUNS_OLD, RUNS_OLD, "the command had ended with 1.1.0"),
        (3, GONE, GONE, "the release is none"),
        (3, replace(RUNS_OLD, current="c" * 64), RUNS_OLD, "the release is ccc"),
        (3, replace(RUNS_OLD, sums={"bin/digits": "3"}), RUNS_OLD, "bin/digits of release 1.0.0 is wrong"),
        (3, replace(RUNS_OLD, sums={}), RUNS_OLD, "bin/digits of release 1.0.0 is wrong"),
        (3, RUNS_OLD, replace(RUNS_OLD, sums=SUMS[OLD] | {"more": "4"}), "more of release 1.0.0 is wrong"),
        (3, RUNS_OLD, replace(RUNS_OLD, proof="8"), "the golden vectors ended with 8"),
        (3, RUNS_OLD, replace(RUNS_OLD, proof=""), "the golden vectors ended with nothing"),
    ],
)
def test_judge(at: int, found: State, repaired: State, fault: str | None) -> None:
    cut = power_cut.judge(recording(), Point(at, STEP, IN_ORDER), Look(found, repaired, ()))
    assert bool(cut.faults) is (fault is not None)
    assert fault is None or fault in " ".join(cut.faults)


def test_parse() -> None:
    said = (
        f"found current releases/{OLD_DIGEST}\nfound mark unconfirmed\nfound sum 1  ./bin/digits\n"
        f"found made incoming/x/\nrepaired current \nrepaired proof 0\n"
    )
    found = State(OLD_DIGEST, frozenset({"unconfirmed"}), {"bin/digits": "1"}, "")
    assert power_cut.parse(said) == Look(found, State(NONE * 0, frozenset(), {}, "0"), ("incoming/x/",))


def log_of(path: Path, entries: list[tuple[int, bytes, bool]]) -> Path:
    """A log of these writes: sector, data, whether it is a flush."""
    sector = disk_log.SECTOR
    parts = [struct.pack("<QQQI", 0x6A736677736872, 1, len(entries), sector).ljust(sector, b"\0")]
    for to, data, flush in entries:
        parts += [struct.pack("<4Q", to, len(data) // sector, int(flush), 0).ljust(sector, b"\0"), data]
    path.write_bytes(b"".join(parts))
    return path


def filled(digit: int) -> bytes:
    return bytes([digit]) * disk_log.SECTOR


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Sectors 0 to 3 written in order, a flush after the second."""
    (tmp_path / "pristine").write_bytes(bytes(4 * disk_log.SECTOR))
    writes = [(n, filled(n + 1), False) for n in range(4)]
    return log_of(tmp_path / "log", [*writes[:2], (0, b"", True), *writes[2:]])


def on_disk(disk: Path) -> list[int]:
    return [disk.read_bytes()[n * disk_log.SECTOR] for n in range(4)]


def test_replay_is_the_disk_after_each_write(log: Path, tmp_path: Path) -> None:
    replay = disk_log.Replay(tmp_path / "pristine", log, tmp_path)
    cuts = {}
    for cut in range(6):
        replay.in_order(cut, tmp_path / "cut")
        cuts[cut] = on_disk(tmp_path / "cut")
    assert cuts == {
        0: [0, 0, 0, 0], 1: [1, 0, 0, 0], 2: [1, 2, 0, 0], 3: [1, 2, 0, 0], 4: [1, 2, 3, 0], 5: [1, 2, 3, 4],
    }  # fmt: skip
    with pytest.raises(ValueError, match="in the past"):
        replay.in_order(1, tmp_path / "cut")


@pytest.mark.parametrize(("lies", "certain"), [(0, {0, 1}), (1, set())])
def test_a_lost_cache_takes_only_what_no_flush_followed(
    log: Path, tmp_path: Path, lies: int, certain: set[int]
) -> None:
    replay = disk_log.Replay(tmp_path / "pristine", log, tmp_path, lies)
    seen = [set[int]() for _ in range(4)]
    for drawn in range(40):
        replay.cache_lost(5, tmp_path / "cut", random.Random(drawn))
        for sector, value in enumerate(on_disk(tmp_path / "cut")):
            seen[sector].add(value)
    assert seen == [{n + 1} if n in certain else {0, n + 1} for n in range(4)]


def test_a_log_that_ends_in_the_middle_of_a_write_ends_before_it(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-1])
    assert len(disk_log.read(log)) == 4
    log.write_bytes(bytes(600))
    with pytest.raises(ValueError, match="no log of writes"):
        disk_log.read(log)


def test_sample_takes_of_every_stretch_and_is_repeated_by_its_seed(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", [(0, filled(1), False)] * 8)
    everything = power_cut.points(recording(log))
    assert [point.at for point in everything] == [n for n in range(3, 9) for _ in power_cut.DISKS]
    draws = {tuple(power_cut.sample(recording(log), str(seed), 3)) for seed in range(20)}
    assert len(draws) > 10
    for draw in draws:
        assert [point.at for point in draw] == sorted(point.at for point in draw)
        for disk in power_cut.DISKS:
            assert [(point.at - 3) // 2 for point in draw if point.disk == disk] == [0, 1, 2]
    assert power_cut.sample(recording(log), "x", 3) == power_cut.sample(recording(log), "x", 3)
