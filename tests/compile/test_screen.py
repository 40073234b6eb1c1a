"""Pictures on a frame buffer: a file in its place, and what drivers say of themselves. By contract only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compile.program_driver import Driver, compiled
from tests.compile.program_project import ppm

pytestmark = pytest.mark.slow

TRUE_COLOUR, PSEUDO_COLOUR = 2, 3
RGB565 = ((11, 5), (5, 6), (0, 5))
XRGB8888 = ((16, 8), (8, 8), (0, 8))
XBGR8888 = ((0, 8), (8, 8), (16, 8))
XRGB2101010 = ((20, 10), (10, 10), (0, 10))


@dataclass(frozen=True)
class Mode:
    """What a driver says: sizes in pixels, the visible part, bits of a pixel, the colours in it."""

    width: int
    height: int
    bits: int
    fields: tuple[tuple[int, int], ...]
    x: int = 0
    y: int = 0
    stride: int = 0  # 0: without a gap
    memory: int = 0  # 0: what is needed
    visual: int = TRUE_COLOUR
    refuses: int = 0

    @property
    def row(self) -> int:
        return self.stride or (self.x + self.width) * self.bits // 8

    @property
    def size(self) -> int:
        return self.memory or self.row * (self.y + self.height)

    def words(self) -> str:
        numbers = [self.width, self.height, self.x, self.y, self.bits, self.row, self.size, self.visual]
        numbers += [self.refuses, *(number for field in self.fields for number in field)]
        return " ".join(map(str, numbers))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(compiled(tmp_path_factory.mktemp("screen"), Path(__file__).with_name("screen_driver.cpp")))
    yield made
    made.close()


def opened(driver: Driver, folder: Path, mode: Mode, fill: int = 0xAA) -> Path:
    file = folder / "fb"
    file.write_bytes(bytes([fill]) * mode.size)
    assert driver.ask("open", file, mode.words()) == ""
    return file


def show(driver: Driver, folder: Path, picture: Any) -> None:
    (folder / "picture").write_bytes(ppm(picture))
    assert driver.ask("show", folder / "picture") == ""


def visible(mode: Mode, file: Path) -> Any:
    """Red, green and blue of the part that is on the screen, each as far as the mode has bits for it."""
    whole = np.frombuffer(file.read_bytes(), np.uint8)[: mode.row * (mode.y + mode.height)]
    rows = whole.reshape(-1, mode.row)[mode.y :]
    wide = mode.bits // 8
    pixels = rows[:, mode.x * wide : (mode.x + mode.width) * wide].reshape(mode.height, mode.width, wide)
    values = sum(pixels[..., b].astype(np.uint64) << np.uint64(8 * b) for b in range(wide))
    return np.stack([(values >> np.uint64(o)) & np.uint64((1 << n) - 1) for o, n in mode.fields], axis=-1)


def cut(colours: Any, mode: Mode) -> Any:
    """Eight bits of a colour as the mode keeps them."""
    lengths = [length for _, length in mode.fields]
    shifted = [colours[..., i].astype(np.uint64) * 2**10 >> (18 - n) for i, n in enumerate(lengths)]
    return np.stack(shifted, axis=-1)


def nearest(picture: Any, height: int, width: int) -> Any:
    """A picture at another size: each new pixel is the one that lies under its middle."""
    rows = ((np.arange(height) + 0.5) * picture.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * picture.shape[1] / width).astype(int)
    return picture[rows][:, columns]


MODES = {
    "rgb565": Mode(30, 20, 16, RGB565),
    "xrgb8888": Mode(30, 20, 32, XRGB8888),
    "xbgr8888": Mode(30, 20, 32, XBGR8888),
    "rgb888": Mode(30, 20, 24, XRGB8888),
    "30 bits": Mode(30, 20, 32, XRGB2101010),
    "rows with a gap": Mode(30, 20, 32, XRGB8888, stride=200),
    "a part of a larger one": Mode(30, 20, 16, RGB565, x=4, y=20, stride=96, memory=96 * 60),
    "one pixel": Mode(1, 1, 32, XRGB8888),
}


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
@pytest.mark.parametrize("shape", [(20, 30), (10, 15), (40, 60), (7, 30), (20, 3), (1, 1), (97, 5)])
@pytest.mark.parametrize("gray", [False, True], ids=["colour", "gray"])
def test_a_picture_is_there_in_proportion_and_the_rest_is_black(
    driver: Driver, tmp_path: Path, mode: Mode, shape: tuple[int, int], gray: bool
) -> None:
    file = opened(driver, tmp_path, mode)
    before = np.frombuffer(file.read_bytes(), np.uint8).copy()
    size = shape if gray else (*shape, 3)
    picture = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    show(driver, tmp_path, picture)
    coloured = np.repeat(picture[..., None], 3, axis=2) if gray else picture
    wide = shape[1] * mode.height >= shape[0] * mode.width
    width = mode.width if wide else max(1, shape[1] * mode.height // shape[0])
    height = max(1, shape[0] * mode.width // shape[1]) if wide else mode.height
    top, left = (mode.height - height) // 2, (mode.width - width) // 2
    expected = np.zeros((mode.height, mode.width, 3), np.uint64)
    expected[top : top + height, left : left + width] = cut(nearest(coloured, height, width), mode)
    np.testing.assert_array_equal(visible(mode, file), expected)
    # Nothing beside the visible part is touched.
    after = np.frombuffer(file.read_bytes(), np.uint8)
    beside = np.ones(len(after), bool)
    for y in range(mode.y, mode.y + mode.height):
        begin = y * mode.row + mode.x * mode.bits // 8
        beside[begin : begin + mode.width * mode.bits // 8] = False
    np.testing.assert_array_equal(after[beside], before[beside])


def test_what_another_picture_left_is_black_again(driver: Driver, tmp_path: Path) -> None:
    mode = MODES["xrgb8888"]
    file = opened(driver, tmp_path, mode)
    show(driver, tmp_path, np.full((20, 30, 3), 255, np.uint8))
    show(driver, tmp_path, np.full((20, 10, 3), 255, np.uint8))
    lit = visible(mode, file).any(axis=2)
    assert lit[:, 10:20].all()
    assert not lit[:, :10].any()
    assert not lit[:, 20:].any()


GOOD = MODES["xrgb8888"]
WRONG = {
    "a palette": (replace(GOOD, bits=8), "a screen of 8 bits a pixel"),
    "pseudo colour": (replace(GOOD, visual=PSEUDO_COLOUR), "16, 24 and 32 of true colour"),
    "no screen": (replace(GOOD, refuses=25), "not a screen's frame buffer: "),
    "no size": (replace(GOOD, width=0, stride=120, memory=2400), "what cannot be"),
    "a size beyond its memory": (replace(GOOD, height=21, memory=2400), "what cannot be"),
    "rows beyond their length": (replace(GOOD, width=31, stride=120), "what cannot be"),
    "a part beyond its memory": (replace(GOOD, y=1, memory=2400), "what cannot be"),
    "a part that is far away": (replace(GOOD, y=4_000_000_000, stride=120, memory=2400), "what cannot be"),
    "a part that is far beside": (replace(GOOD, x=4_000_000_000, stride=120, memory=2400), "what cannot be"),
    "an endless size": (replace(GOOD, width=4_294_967_295, stride=120, memory=2400), "what cannot be"),
    "no rows": (replace(GOOD, width=1, stride=1, memory=2400), "what cannot be"),
    "a colour beyond a pixel": (replace(GOOD, fields=((30, 8), (8, 8), (0, 8))), "what cannot be"),
    "a colour without bits": (replace(GOOD, fields=((16, 0), (8, 8), (0, 8))), "what cannot be"),
    "a colour of many bits": (replace(GOOD, fields=((0, 32), (8, 8), (0, 8))), "what cannot be"),
}


@pytest.mark.parametrize(("mode", "words"), WRONG.values(), ids=list(WRONG))
def test_what_cannot_be_drawn_on_is_refused_in_words(
    driver: Driver, tmp_path: Path, mode: Mode, words: str
) -> None:
    file = tmp_path / "fb"
    file.write_bytes(bytes(4096))
    assert words in driver.ask("open", file, mode.words())


def test_one_that_is_not_there_is_named(driver: Driver, tmp_path: Path) -> None:
    assert "fb9: No such file" in driver.ask("open", tmp_path / "fb9", GOOD.words())
