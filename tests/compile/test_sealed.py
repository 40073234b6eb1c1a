"""Encrypted models in C++: what the program makes of a key and of a file, as the deployer wrote them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.library import build_library
from edgepack.model.sealed import CHUNK, MAGIC, ContentKey, seal
from edgepack.tools.qemu import host_arch
from tests.compile.program_driver import STRICT, Driver, compiled
from tests.devices import device
from tests.model_keys import APP, FILES, GOOD, KEY, STRANGER, TABLE

pytestmark = pytest.mark.slow

CHANGED = "the encrypted model is not as it was written"
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 77]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("sealed")
    sodium = build_library(LibrarySpec("libsodium", host_arch()), folder / "log", lambda _line: None)
    source = Path(__file__).with_name("sealed_driver.cpp")
    made = Driver(compiled(folder, source, libraries=[sodium], words=["-Wl,--gc-sections", *STRICT]))
    yield made
    made.close()


def unwrapped(driver: Driver, line: str, folder: Path) -> dict[str, object]:
    (folder / "key").write_bytes(line.encode("latin-1"))
    said = driver.ask("unwrap", APP, KEY.id, device(FILES, folder / "box"), folder / "key")
    assert isinstance(said, dict)
    return said


@pytest.fixture
def opened(driver: Driver, tmp_path: Path) -> Driver:
    """With the good key open."""
    (tmp_path / "opened").mkdir()
    assert unwrapped(driver, GOOD, tmp_path / "opened")["opens"] is True
    return driver


def sealed(folder: Path, plain: bytes, key: ContentKey = KEY) -> Path:
    (folder / "plain").write_bytes(plain)
    seal(key, folder / "plain", folder / "sealed")
    return folder / "sealed"


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("name", TABLE)
def test_the_program_judges_a_key(driver: Driver, name: str, tmp_path: Path) -> None:
    line, opens, words = TABLE[name]
    assert unwrapped(driver, line, tmp_path) == {"opens": opens, "words": words}


@pytest.mark.parametrize("size", SIZES)
def test_a_model_comes_back_to_the_byte(opened: Driver, size: int, tmp_path: Path) -> None:
    plain = noise(size)
    digest = hashlib.sha256(plain).hexdigest()
    said = opened.ask("open", sealed(tmp_path, plain))
    assert said == {"key": KEY.id, "size": size, "zero_behind": True, "sha256": digest}


def test_no_bit_can_be_another(opened: Driver, tmp_path: Path) -> None:
    whole = sealed(tmp_path, noise(700)).read_bytes()
    file = tmp_path / "one bit".replace(" ", "-")
    for place in range(len(whole)):
        bit = 1 << place % 8
        file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        said = opened.ask("open", file)
        assert said == {"error": f"{file}: {CHANGED}"}, place


def test_neither_more_nor_less_nor_in_another_order(opened: Driver, tmp_path: Path) -> None:
    whole = sealed(tmp_path, noise(3 * CHUNK + 77)).read_bytes()
    head = len(MAGIC) + 16 + 8 + 4 * 32 + 32
    step = CHUNK + 16
    first, second, rest = whole[head:][:step], whole[head + step :][:step], whole[head + 2 * step :]
    one, two = (slice(len(MAGIC) + 24 + n * 32, len(MAGIC) + 56 + n * 32) for n in (0, 1))
    marks = whole[: one.start] + whole[two] + whole[one] + whole[two.stop : head]
    other = sealed(tmp_path, noise(3 * CHUNK + 78)).read_bytes()
    wrong = {
        "cut": [whole[:size] for size in (0, 1, len(MAGIC), 41, 42, head - 1, head, len(whole) - 1)],
        "a byte more": [whole + b"\0"],
        "without a chunk": [whole[:head] + first + rest],
        "chunks exchanged": [whole[:head] + second + first + rest],
        "marks exchanged too": [marks + second + first + rest],
        "marks alone exchanged": [marks + first + second + rest],
        "another model's chunk": [whole[:head] + other[head : head + step] + whole[head + step :]],
        "a size beyond all": [whole[:34] + b"\xff" * 8 + whole[42:]],
    }
    file = tmp_path / "wrong"
    for name, texts in wrong.items():
        for text in texts:
            file.write_bytes(text)
            assert opened.ask("open", file) == {"error": f"{file}: {CHANGED}"}, name


def test_another_key_opens_nothing(opened: Driver, tmp_path: Path) -> None:
    file = sealed(tmp_path, noise(99), STRANGER)
    assert opened.ask("open", file) == {"error": f"{file}: {CHANGED}"}
