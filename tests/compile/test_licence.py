"""The program's licence in C++: what it makes of a file, which box it is, what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.library import build_library
from edgepack.tools.qemu import host_arch
from tests.compile.program_driver import Driver, compiled
from tests.devices import BOXES, device, fingerprint
from tests.licences import APP, GOOD, KEYS, TABLE, TERMS, VALUE, at

pytestmark = pytest.mark.slow

HOUR = 60 * 60


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("licence")
    sodium = build_library(LibrarySpec("libsodium", host_arch()), folder / "log", lambda _line: None)
    source = Path(__file__).with_name("licence_driver.cpp")
    made = Driver(compiled(folder, source, libraries=[sodium], words=["-Wl,--gc-sections"]))
    yield made
    made.close()


@pytest.mark.parametrize("name", BOXES)
def test_a_box_is_the_same_to_the_program_as_to_the_script(driver: Driver, name: str, tmp_path: Path) -> None:
    files, found = BOXES[name]
    told = driver.ask("device", APP, device(files, tmp_path / "box"))
    assert told == [[source, fingerprint(APP, source, value)] for source, value in found]


@pytest.mark.parametrize("name", TABLE)
def test_the_program_judges_a_licence(driver: Driver, name: str, tmp_path: Path) -> None:
    text, now, state, words = TABLE[name]
    box = device({"etc/machine-id": f"{VALUE}\n"}, tmp_path / "box")
    (tmp_path / "licence").write_bytes(text)
    said = driver.ask("judge", tmp_path / "licence", APP, ",".join(KEYS), box, now)
    assert (said["state"], said["words"]) == (state, words)
    assert said["features"] == (sorted(TERMS.features) if state in ("valid", "grace") else [])


def test_no_byte_of_a_licence_can_be_another(driver: Driver, tmp_path: Path) -> None:
    box, file = device({"etc/machine-id": f"{VALUE}\n"}, tmp_path / "box"), tmp_path / "licence"
    for place in range(len(GOOD)):
        file.write_bytes(GOOD[:place] + bytes([GOOD[place] ^ 1]) + GOOD[place + 1 :])
        said = driver.ask("judge", file, APP, ",".join(KEYS), box, at("2026-11-15"))
        assert said["state"] in ("forged", "damaged"), place
        assert (said["issued"], said["features"]) == (0, [])


MEANT = at("2026-11-21")
ISSUED = at("2026-10-20")

# What the box's clock says one after the other, what is taken for the time, by how much it was behind.
CLOCKS: dict[str, list[tuple[int, int, int, int]]] = {
    "it goes on": [(MEANT, ISSUED, MEANT, 0), (MEANT + 9, ISSUED, MEANT + 9, 0)],
    "set back by a month": [(MEANT, ISSUED, MEANT, 0), (MEANT - 720 * HOUR, ISSUED, MEANT, 720 * HOUR)],
    "set right by a minute": [(MEANT, ISSUED, MEANT, 0), (MEANT - 60, ISSUED, MEANT, 0)],
    "no battery": [(9, ISSUED, ISSUED, ISSUED - 9), (MEANT, ISSUED, MEANT, 0)],
    "no battery, no licence": [(9, 0, 9, 0)],
    "far ahead once, then a new licence": [
        (at("2099-01-01"), ISSUED, at("2099-01-01"), 0),
        (MEANT, ISSUED, at("2099-01-01"), at("2099-01-01") - MEANT),
        (MEANT, MEANT - 9, MEANT, 0),
    ],
    "an older licence after a newer one": [
        (MEANT, MEANT - 9, MEANT, 0),
        (ISSUED, ISSUED, MEANT, MEANT - ISSUED),
    ],
}


@pytest.mark.parametrize("again", [False, True], ids=["one run", "a run each"])
@pytest.mark.parametrize("name", CLOCKS)
def test_time_does_not_go_back(driver: Driver, name: str, again: bool, tmp_path: Path) -> None:
    driver.ask("clock", tmp_path / "clock")
    for said, issued, taken, behind in CLOCKS[name]:
        now, late = driver.ask("now", said, issued)
        # What passes meanwhile on a busy machine counts.
        assert taken <= now <= taken + 60
        assert behind <= late <= behind + 60
        if again:
            driver.ask("keep")
            driver.ask("clock", tmp_path / "clock")


@pytest.mark.parametrize("text", ["", "x", "-5 7", "99999999999999999999 1", "1" * 200])
def test_a_damaged_clock_is_none(driver: Driver, text: str, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text(text)
    driver.ask("clock", tmp_path / "clock")
    assert driver.ask("now", MEANT, ISSUED) == [MEANT, 0]
