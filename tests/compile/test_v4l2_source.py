"""A camera of Video4Linux: what it gives, held to NumPy, and whatever it does.

A stand-in answers for the kernel (tests/standins/v4l2); the kernel's own test camera is in lab/.
"""

from __future__ import annotations

import io
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgepack.catalog.libraries import LibrarySpec
from edgepack.compile.library import build_library
from edgepack.tools.qemu import host_arch
from tests.compile.program_driver import Driver, compiled

pytestmark = pytest.mark.slow

SMPTE170M, REC709, JPEG = 1, 3, 7  # enum v4l2_colorspace
ENC_601, ENC_709, FULL, LIMITED = 1, 2, 1, 2
KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("v4l2")
    jpeg = build_library(LibrarySpec("libjpeg-turbo", host_arch()), folder / "log", lambda _line: None)
    driver = Path(__file__).with_name("v4l2_driver.cpp")
    return compiled(folder, driver, libraries=[jpeg], decoders=["jpeg"])


class Camera:
    """A stand-in that does as the plan says, and the source that reads it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.driver, self._folder = Driver(program), folder
        self._count = itertools.count()

    def file(self, content: bytes) -> Path:
        path = self._folder / f"bytes-{next(self._count)}"
        path.write_bytes(content)
        return path

    def open(self, *lines: str, asks: str = "yuyv 0 0 0 10") -> None:
        self.driver.ask("plan", self.file("\n".join(lines).encode()))
        self.driver.ask("open", asks)

    def next(self, patience_ms: int = 20) -> Any:
        return self.driver.ask("next", patience_ms)

    def pixels(self) -> Any:
        found = self.next()
        assert "pixels" in (found or {}), found
        return np.array(found["pixels"]).reshape(found["shape"])


@pytest.fixture(scope="module")
def running(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    made = Camera(program, tmp_path_factory.mktemp("pictures"))
    yield made
    made.driver.close()


@pytest.fixture
def camera(running: Camera) -> Iterator[Camera]:
    yield running
    assert running.driver.ask("close") == "", "all is given back"


def exact(y: Any, cb: Any, cr: Any, standard: str, full: bool) -> Any:
    """Red, green and blue by the standard's own equations, not rounded. y, cb, cr: arrays of one shape."""
    red, blue = KR_KB[standard]
    light = y / 255.0 if full else (y - 16) / 219.0
    pb, pr = ((c - 128) / (255.0 if full else 224.0) for c in (cb, cr))
    r, b = light + 2 * (1 - red) * pr, light + 2 * (1 - blue) * pb
    g = (light - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b]) * 255, 0, 255)


def same(found: Any, wanted: Any) -> bool:
    """Whole numbers, the nearest ones; where two are as near, either."""
    return bool(np.all(found == np.rint(found)) and np.all(np.abs(found - wanted) <= 0.5005))


def colours(standard: str, full: bool) -> list[str]:
    return [f"encoding {ENC_601 if standard == '601' else ENC_709}", f"range {FULL if full else LIMITED}"]


def shared(values: Any, height: int, width: int) -> Any:
    """Each value for the pixels that share it."""
    return np.repeat(np.repeat(values, height, axis=0), width, axis=1).astype(float)


@settings(max_examples=60, deadline=None)
@given(
    half=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    pad=st.integers(0, 9),
    seed=st.integers(0, 2**32 - 1),
    standard=st.sampled_from(["601", "709"]),
    full=st.booleans(),
    kind=st.sampled_from(["yuyv", "nv12", "gray"]),
)
def test_pictures_are_the_standards(
    running: Camera, half: tuple[int, int], pad: int, seed: int, standard: str, full: bool, kind: str
) -> None:
    height, width = 2 * half[0], 2 * half[1]
    dice = np.random.default_rng(seed)
    y = dice.integers(0, 256, (height, width), dtype=np.uint8)
    rows = half[0] if kind == "nv12" else height
    cb, cr = dice.integers(0, 256, (2, rows, half[1]), dtype=np.uint8)
    between = lambda row: np.pad(row, ((0, 0), (0, pad)), constant_values=7)  # noqa: E731
    if kind == "yuyv":
        packed = np.stack([y[:, 0::2], cb, y[:, 1::2], cr], axis=-1).reshape(height, 2 * width)
        content = between(packed).tobytes()
    else:
        colour = np.stack([cb, cr], axis=-1).reshape(rows, width)
        content = between(y).tobytes() + (between(colour).tobytes() if kind == "nv12" else b"")
    four = {"yuyv": "YUYV", "nv12": "NV12", "gray": "GREY"}[kind]
    said = [f"formats {four}", f"width {width}", f"height {height}", f"pad {pad}", *colours(standard, full)]
    running.open(*said, f"frame {running.file(content)}", asks=f"{kind} 0 0 0 10")
    found = running.pixels()
    if kind == "gray":
        assert np.array_equal(found, y[None])
        return
    down = 2 if kind == "nv12" else 1
    assert same(found, exact(y.astype(float), shared(cb, down, 2), shared(cr, down, 2), standard, full))


@pytest.mark.parametrize(
    ("said", "standard", "full"),
    [
        ([f"space {SMPTE170M}"], "601", False),
        ([f"space {REC709}"], "709", False),
        ([f"space {JPEG}"], "601", True),
        (["space 0"], "601", False),
        ([f"space {REC709}", f"encoding {ENC_601}"], "601", False),
        ([f"space {JPEG}", f"range {LIMITED}"], "601", False),
    ],
)
def test_what_a_driver_leaves_open_is_as_the_kernels_header_says(
    camera: Camera, said: list[str], standard: str, full: bool
) -> None:
    levels = np.array([0, 1, 16, 17, 128, 200, 235, 240, 254, 255], dtype=np.uint8)
    y, cb, cr = (axis.reshape(20, 50) for axis in np.meshgrid(levels, levels, levels))
    packed = np.stack([y, cb, y, cr], axis=-1)
    camera.open("width 100", "height 20", *said, f"frame {camera.file(packed.tobytes())}")
    wide = [shared(axis, 1, 2) for axis in (y, cb, cr)]
    assert same(camera.pixels(), exact(*wide, standard, full))


def without_tables(jpeg: bytes) -> bytes:
    """A JPEG as many cameras send it: the Huffman tables, which are the standard's, are left out."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        size = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        out += b"" if jpeg[at + 1] == 0xC4 else jpeg[at : at + size]
        at += size
    return out + jpeg[at:]


@pytest.mark.parametrize("change", [bytes, without_tables], ids=["whole", "without tables"])
def test_motion_jpeg_is_read_by_the_decoder_that_is_there(
    camera: Camera, change: Callable[[bytes], bytes]
) -> None:
    y, x = np.mgrid[0:32, 0:48]
    drawn = Image.fromarray(np.stack([x * 5, y * 8, (x + y) * 3], axis=-1).astype(np.uint8))
    file = io.BytesIO()
    drawn.save(file, "JPEG", quality=90)
    sent = camera.file(change(file.getvalue()))
    cut = camera.file(file.getvalue()[:200])
    said = ["formats MJPG", "width 48", "height 32", f"frame {cut}", "pause", f"frame {sent}"]
    camera.open(*said, asks="mjpeg 48 32 0 10")
    assert camera.next()["error"].startswith("1: ")  # that picture, by its name
    found = camera.next()
    wanted = np.array(Image.open(file)).transpose(2, 0, 1)
    assert np.array_equal(np.array(found["pixels"]).reshape(found["shape"]), wanted)


# ---- what cameras do

GRAY = bytes([126, 128] * 4)  # 4 x 2, YUYV
SIZE = ["width 4", "height 2"]


def test_the_newest_picture_counts_and_has_its_own_time(camera: Camera) -> None:
    files = [camera.file(bytes([level, 128] * 8)) for level in (50, 100, 150, 200)]
    frames = [f"frame {file}" for file in files]
    camera.open(*SIZE, *frames[:2], "pause", *frames[2:])
    first = camera.next()
    assert first["name"] == "1"
    assert set(first["pixels"]) == {98.0}  # (100 - 16) · 255 / 219, and not the one of 50
    assert 0 <= first["age"] < 60
    assert set(camera.next()["pixels"]) == {214.0}
    assert camera.next(1) is None


def test_a_camera_that_is_pulled_out_comes_back(camera: Camera) -> None:
    file = camera.file(GRAY * 2)
    camera.open(*SIZE, f"frame {file}", "pause", "gone 2", f"frame {file}")
    assert camera.next()["name"] == "1"
    assert "/dev/video0: the camera has gone" in camera.next()["error"]
    for _ in range(2):
        assert "cannot be opened: No such file" in camera.next()["error"]
    assert camera.next()["name"] == "2"
    assert camera.driver.ask("opened") == 2


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (["eio"], "it gives no picture"),
        (["index 4"], "a buffer that it does not have"),
        (["index 4294967295"], "a buffer that it does not have"),
        (["quiet"], "no picture has come for 0.5 s"),
    ],
)
def test_what_a_driver_does_wrong_is_told_and_it_is_opened_again(
    camera: Camera, happens: list[str], words: str
) -> None:
    camera.open(*SIZE, *happens, f"frame {camera.file(GRAY * 2)}", asks="yuyv 0 0 0 0.5")
    said: Any = None
    while not said:
        said = camera.next(50)
    assert words in said["error"]
    if happens != ["quiet"]:
        assert camera.next()["name"] == "1"
        assert camera.driver.ask("opened") == 2


@pytest.mark.parametrize("how", ["spoilt {} 0", "bytes {} 15", "bytes {} 0", "bytes {} 4294967295"])
def test_a_picture_that_is_not_whole_is_left_out(camera: Camera, how: str) -> None:
    file = camera.file(GRAY * 2)
    camera.open(*SIZE, *[how.format(file)] * 9, "pause", f"frame {file}")
    found = [camera.next() for _ in range(4)]
    assert [one["name"] for one in found if one] == ["1"]
    assert camera.driver.ask("opened") == 1


@pytest.mark.parametrize(
    ("said", "asks", "words"),
    [
        (["caps 0x04000002"], "yuyv", "it gives no pictures"),
        (["caps 0x04001000"], "yuyv", "several planes"),
        (["caps 0x00000001"], "yuyv", "it does not stream"),
        (["formats MJPG NV12"], "yuyv", "it has no yuyv pictures (source.format); it has: MJPG, NV12"),
        (["gives NV12"], "yuyv", "it gives NV12, and yuyv was asked for"),
        (["width 3", "height 2"], "yuyv", "odd sides"),
        (["formats NV12", "width 4", "height 3"], "nv12", "odd sides"),
        (["width 60000", "height 60000"], "yuyv", "pixels"),
        (["width 4294967294", "height 2"], "yuyv", "pictures of"),
        (["field 7"], "yuyv", "in halves"),
        (["granted 1"], "yuyv", "it gives 1 buffers"),
        (["granted 1000"], "yuyv", "it gives 1000 buffers"),
        (["width 64", "height 64", "length 100"], "yuyv", "its buffers have 100 bytes, and a picture 8192"),
        (["denied"], "yuyv", "must be in the device's group"),
        (["busy"], "yuyv", "another program has it"),
        (["away 1"], "yuyv", "No such file"),
    ],
)
def test_what_is_no_camera_for_it_is_refused_in_words(
    camera: Camera, said: list[str], asks: str, words: str
) -> None:
    camera.open(*said, asks=f"{asks} 0 0 0 10")
    found = camera.next()
    assert words in found["error"]
    assert found["error"].startswith("/dev/video0: ")


def test_sizes_and_pace_are_asked_for(camera: Camera) -> None:
    camera.open(f"frame {camera.file(GRAY * 4)}", asks="yuyv 8 2 12.5 10")
    assert camera.next()["shape"] == [3, 2, 8]
    assert camera.driver.ask("fps") == 12.5
    camera.open("unpaced", f"frame {camera.file(GRAY * 4)}", asks="yuyv 8 2 12.5 10")
    assert camera.next()["shape"] == [3, 2, 8]
    assert camera.driver.ask("fps") == 0


def test_more_pictures_than_fps_asks_for_are_left_out(camera: Camera) -> None:
    file = camera.file(GRAY * 2)
    camera.open(*SIZE, *[f"frame {file}", "pause"] * 50, asks="yuyv 0 0 0.001 10")
    assert [one["name"] for one in (camera.next(1) for _ in range(60)) if one] == ["1"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("twice-open", "was not closed"),
        ("stream-first", "without buffers"),
        ("take-first", "DQBUF before STREAMON"),
        ("no-format", "REQBUFS before S_FMT"),
        ("reserved", "reserved is not 0"),
        ("unmapped-queue", "nobody has mapped"),
        ("length", "another length"),
        ("offset", "QUERYBUF did not give"),
        ("twice-map", "mapped twice"),
        ("close-mapped", "still mapped"),
        ("flags", "flags or reserved2"),
        ("twice-queue", "the driver has already"),
        ("read-queued", ""),
        ("twice-unmap", "is no buffer"),
    ],
)
def test_the_stand_in_ends_who_does_not_hold_to_the_contract(program: Path, how: str, words: str) -> None:
    done = subprocess.run([program], input=f"wrong {how}\n", capture_output=True, text=True, check=False)
    assert done.returncode < 0
    assert words in done.stderr
