"""JPEG and PNG as the program reads them: Pillow's pixels to the bit, and hostile files in words."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgepack.catalog.libraries import LibrarySpec, with_needs
from edgepack.compile.library import build_library
from edgepack.tools.qemu import host_arch
from tests.compile.program_driver import Driver, compiled

pytestmark = pytest.mark.slow
SEED = np.random.default_rng(7)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    log = tmp_path_factory.mktemp("libraries") / "log"
    names = with_needs(("libspng", "libjpeg-turbo"))
    return [build_library(LibrarySpec(n, host_arch()), log, lambda _l: None) for n in names]


@pytest.fixture(scope="module")
def driver(libraries: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("decode")
    running = Driver(compiled(folder, libraries=libraries, decoders=("jpeg", "png")))
    yield running
    running.close()


def drawn(height: int, width: int, mode: str = "RGB") -> Image.Image:
    """Something with edges and slopes, as a camera gives, and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 7 % 256, y * 5 % 256, (x * y) % 256, (x + 3 * y) % 256], axis=-1)
    noisy = np.clip(base + SEED.integers(-20, 20, base.shape), 0, 255).astype(np.uint8)
    image = Image.fromarray(noisy, "RGBA")
    return image.convert(mode) if mode in ("RGBA", "LA") else image.convert("RGB").convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def expected(content: bytes) -> Any:
    """Pillow's pixels, (C, H, W): gray stays gray, of 16 bits the upper ones, the rest is colour."""
    image = Image.open(io.BytesIO(content))
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)[None]
    if content.startswith(b"\x89PNG") and content[25] == 4:  # which Pillow makes RGBA, where it is of 16 bits
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)[:1]
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))[None]
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def asked(driver: Driver, folder: Path, content: bytes) -> Any:
    (folder / "image").write_bytes(content)
    return driver.ask("image", folder / "image")


def wide(height: int, width: int, channels: int) -> bytes:
    """A PNG of 16 bits a channel, by hand: Pillow writes none in colour."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    pixels = SEED.integers(0, 65536, (height, width * channels)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png(struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0), zlib.compress(rows))


def png(header: bytes, data: bytes) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def turned() -> bytes:
    """With the note of a camera that was held upright: EXIF's orientation 6."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(drawn(20, 31), "JPEG", exif=exif)


IMAGES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: saved(drawn(48, 64), "JPEG", quality=90),
    "jpeg 4:2:0, odd sides": lambda: saved(drawn(37, 61), "JPEG", quality=75, subsampling=2),
    "jpeg 4:2:2": lambda: saved(drawn(40, 33), "JPEG", quality=60, subsampling=1),
    "jpeg 4:4:4": lambda: saved(drawn(17, 16), "JPEG", quality=95, subsampling=0),
    "jpeg progressive": lambda: saved(drawn(50, 70), "JPEG", quality=80, progressive=True),
    "jpeg gray": lambda: saved(drawn(30, 41, "L"), "JPEG"),
    "jpeg 1x1": lambda: saved(drawn(1, 1), "JPEG"),
    "jpeg turned by EXIF: left as it is": turned,
    "png": lambda: saved(drawn(30, 41), "PNG"),
    "png gray": lambda: saved(drawn(30, 41, "L"), "PNG"),
    "png black and white": lambda: saved(drawn(30, 41, "1"), "PNG"),
    "png palette": lambda: saved(drawn(30, 41, "P"), "PNG"),
    "png palette of 4 bits": lambda: saved(drawn(30, 41).quantize(13), "PNG", bits=4),
    "png with transparency": lambda: saved(drawn(30, 41, "RGBA"), "PNG"),
    "png gray with transparency": lambda: saved(drawn(30, 41, "LA"), "PNG"),
    "png 16 bits gray": lambda: wide(11, 13, 1),
    "png 16 bits gray with transparency": lambda: wide(11, 13, 2),
    "png 16 bits": lambda: wide(11, 13, 3),
    "png 16 bits with transparency": lambda: wide(11, 13, 4),
}


@pytest.mark.parametrize("make", IMAGES.values(), ids=IMAGES)
def test_pixels_are_pillows_to_the_bit(driver: Driver, tmp_path: Path, make: Callable[[], bytes]) -> None:
    content = make()
    said = asked(driver, tmp_path, content)
    wanted = expected(content)
    assert said.get("shape") == list(wanted.shape), said
    assert np.array_equal(np.array(said["data"]).reshape(wanted.shape), wanted)


def bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return png(header, zlib.compress(bytes(1000)))


def many_scans() -> bytes:
    """A progressive file whose first scan is there 200 times, each as if it were the last (bits 0, 0)."""
    whole = saved(drawn(16, 16, "L"), "JPEG", progressive=True)
    start = whole.index(b"\xff\xda")
    end = whole.index(b"\xff\xc4", start)
    scan = bytearray(whole[start:end])
    assert scan[9] == 1
    scan[9] = 0
    return whole[:start] + bytes(scan) * 200 + whole[-2:]


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "jpeg cut off": (lambda: saved(drawn(40, 40), "JPEG")[:-200], "a damaged JPEG image"),
    "jpeg of its first bytes": (lambda: b"\xff\xd8\xff\xe0", "a JPEG image that cannot be read"),
    "jpeg CMYK": (lambda: saved(drawn(8, 8).convert("CMYK"), "JPEG"), "neither gray nor of three colours"),
    "jpeg of many scans": (many_scans, "scans"),
    "png cut off": (lambda: saved(drawn(40, 40), "PNG")[:-300], "a PNG image that cannot be read"),
    "png whose bytes were changed": (
        lambda: saved(drawn(40, 40), "PNG").replace(b"IDAT", b"IDAU"),
        "a PNG image that cannot be read",
    ),
    "png of 3.6 billion pixels": (bomb, "60000 x 60000 pixels; at most 25000000 are read"),
    "neither": (lambda: b"GIF89a", "not a binary PGM or PPM image"),
}


@pytest.mark.parametrize(("make", "words"), HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_is_told(
    driver: Driver, tmp_path: Path, make: Callable[[], bytes], words: str
) -> None:
    assert words in asked(driver, tmp_path, make())["error"]


def test_no_change_of_a_files_bytes_ends_the_program(driver: Driver, tmp_path: Path) -> None:
    """Under the sanitizer: what it finds ends the driver, which ``ask`` tells."""
    chance = random.Random(3)
    starts = [IMAGES[name]() for name in ("jpeg progressive", "jpeg 4:2:0, odd sides", "png palette", "png")]
    outcomes = set()
    for n in range(600):
        content = bytearray(starts[n % len(starts)])
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(content))
            content[at] = chance.randrange(256)
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        outcomes.add("error" if "error" in asked(driver, tmp_path, bytes(content)) else "pixels")
    assert outcomes == {"error", "pixels"}


def test_a_program_without_a_decoder_says_what_to_add(tmp_path: Path) -> None:
    plain = Driver(compiled(tmp_path))
    try:
        for name, word in (("jpeg", "jpeg"), ("png", "png")):
            said = asked(plain, tmp_path, IMAGES[name]())
            assert f"add {word} to source.formats in edgepack.yaml" in said["error"]
    finally:
        plain.close()


# ---- written, for the sinks `samples` and `pictures`


@pytest.fixture(scope="module")
def writer(libraries: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("written")
    here = Path(__file__).with_name("picture_driver.cpp")
    running = Driver(compiled(folder, here, libraries=libraries, decoders=("jpeg", "png")))
    yield running
    running.close()


ENDINGS = {"jpeg": ".jpg", "png": ".png"}


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (64, 48)])
@pytest.mark.parametrize("kind", ["pnm", "png", "jpeg"])
def test_what_is_written_pillow_reads_as_it_was(
    writer: Driver, tmp_path: Path, mode: str, size: tuple[int, int], kind: str
) -> None:
    # JPEG is for what a camera gives; noise it does not keep.
    image = drawn(*size, mode) if kind != "jpeg" else Image.linear_gradient("L").convert(mode).resize(size)
    image.save(tmp_path / "in.ppm")
    assert writer.ask("as-it-is", tmp_path / "in.ppm", tmp_path / "out", kind) is True
    ending = ENDINGS.get(kind, ".ppm" if mode == "RGB" else ".pgm")
    (written,) = tmp_path.glob("out*")
    assert written.suffix == ending
    with Image.open(written) as found:
        assert (found.mode, found.size) == (mode, image.size)
        far = np.abs(np.asarray(found).astype(int) - np.asarray(image).astype(int)).max()
    assert far <= (6 if kind == "jpeg" else 0)


BOXES = [
    (2, 3, 9, 8, 1),
    (9, 8, 2, 3, 2),
    (-50, -50, 500, 500, 3),
    (4, 4, 4, 4, 1),
    ("nan", 0, 5, "inf", 1),
    (-1e30, 2, 1e30, 6, 9),
]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("words", ["", "Door 0.93 #7", "x" * 300, "\u00e9\u4e2d", "~!?"])
def test_what_is_drawn_stays_inside_the_picture(
    writer: Driver, tmp_path: Path, box: tuple[Any, ...], words: str
) -> None:
    Image.new("L", (16, 12), 200).save(tmp_path / "in.pgm")
    size = 1 if words else 0
    asked = ("draw", tmp_path / "in.pgm", tmp_path / "out", "pnm", *box, size, words)
    assert writer.ask(*asked) in (True, False)  # a stream of C++ reads no "nan": then nothing is drawn
    with Image.open(tmp_path / "out.ppm") as found:
        assert found.size == (16, 12)
        colours = {colour for _, colour in found.getcolors() or []}
    assert colours <= {(200, 200, 200), (1, 2, 3), (4, 5, 6), (255, 255, 255)}


def test_a_box_is_where_it_was_said_to_be(writer: Driver, tmp_path: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "in.ppm")
    assert writer.ask("draw", tmp_path / "in.ppm", tmp_path / "out", "pnm", 2, 3, 9, 8, 1, 0, "") is True
    with Image.open(tmp_path / "out.ppm") as found:
        lit = np.argwhere(np.asarray(found).any(axis=2))
    assert {(y, x) for y, x in lit} == {
        (y, x) for y in range(3, 8) for x in range(2, 9) if y in (3, 7) or x in (2, 8)
    }


def test_words_can_be_read(writer: Driver, tmp_path: Path) -> None:
    """Each letter is another one: what is drawn of two different ones differs."""
    Image.new("RGB", (12, 12)).save(tmp_path / "in.ppm")
    seen = {}
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:%-_/#()+=?":
        asked = ("draw", tmp_path / "in.ppm", tmp_path / "out", "pnm", 0, 0, 0, 0, 1, 1, letter)
        assert writer.ask(*asked) is True
        seen[letter] = (tmp_path / "out.ppm").read_bytes()
    assert len(set(seen.values())) == len(seen)
    assert all(b"\xff\xff\xff" in pixels for pixels in seen.values())
