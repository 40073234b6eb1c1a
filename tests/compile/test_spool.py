"""What waits for a peer, on disk: in order, bounded, there again after a kill; held to a list in Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compile.program_driver import Driver, compiled

pytestmark = pytest.mark.slow

MOST = 4096


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(compiled(tmp_path_factory.mktemp("spool"), Path(__file__).with_name("spool_driver.cpp")))
    yield made
    made.close()


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.jsonl"))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("drop", [False, True], ids=["waits", "drops"])
def test_it_is_a_queue_that_outlives_its_process(
    driver: Driver, drop: bool, seed: int, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    folder = tmp_path / "spool"
    opened = ("open", folder, MOST, int(drop))
    driver.ask(*opened)
    waiting: list[str] = []
    lost = number = 0
    for _ in range(400):
        what = dice.choice(["put", "put", "put", "take", "again", "torn"])
        if what == "put":
            number += 1
            line = f"{number}-" + "x" * dice.choice([0, 1, 90, 700])
            if driver.ask("put", line):
                waiting.append(line)
            else:
                assert not drop, "there is always room for a new one"
                assert on_disk(folder) + len(line) + 1 > MOST
            if drop:
                now, gone = driver.ask("count")
                waiting, lost = waiting[len(waiting) - now :], gone
        elif what == "take":
            found = driver.ask("peek", dice.choice([1, 3, 50]), dice.choice([1, 500, 1 << 20]))
            assert found == waiting[: len(found)]
            assert bool(found) == bool(waiting)
            arrived = dice.randint(0, len(found))
            assert driver.ask("done", arrived) is True
            del waiting[:arrived]
        elif what == "again":
            driver.ask(*opened)
        elif segments := sorted(folder.glob("*.jsonl")):  # what a power cut leaves of a line
            with segments[-1].open("ab") as file:
                file.write(b"torn")
            driver.ask(*opened)
        assert driver.ask("count") == [len(waiting), lost]
        assert on_disk(folder) <= MOST
    assert lost > 0 if drop else lost == 0


def test_what_is_larger_than_all_is_lost_and_counted_and_blocks_nobody(
    driver: Driver, tmp_path: Path
) -> None:
    driver.ask("open", tmp_path / "spool", MOST, 0)
    assert driver.ask("put", "x" * MOST) is True
    assert driver.ask("put", "small") is True
    assert driver.ask("count") == [1, 1]
    assert driver.ask("peek", 9, 9999) == ["small"]


@pytest.mark.parametrize("note", ["", "junk", "1 99999 0", "-5 -5 -5", "1 18446744073709551615 1"])
def test_a_note_that_was_spoilt_loses_nothing(driver: Driver, note: str, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    driver.ask("open", folder, MOST, 0)
    for line in ("a", "b", "c"):
        driver.ask("put", line)
    driver.ask("peek", 1, 1)
    driver.ask("done", 1)
    (folder / "at").write_text(note)
    driver.ask("open", folder, MOST, 0)
    assert driver.ask("peek", 9, 999) == ["a", "b", "c"]
