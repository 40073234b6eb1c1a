"""Each reader and writer of the program against what the world can throw at it; blocks: tests/blocks."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.compile.program_driver import Driver, compiled

pytestmark = pytest.mark.slow
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

BYTES = st.integers(0, 255)
FLOATS = st.floats(-1e6, 1e6, width=32)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    running = Driver(compiled(tmp_path_factory.mktemp("driver")))
    yield running
    running.close()


@quick
@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_any_bytes_become_valid_json_text(driver: Driver, raw: bytes) -> None:
    said = driver.ask("quote", raw.hex())
    try:
        assert said == raw.decode()
    except UnicodeDecodeError:
        assert "\N{REPLACEMENT CHARACTER}" in said


@quick
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_back(driver: Driver, value: float) -> None:
    said = driver.ask("number", repr(value))
    # What is a float to the last bit is written as one: nine digits, that give the same float again.
    with np.errstate(over="ignore"):
        is_float = float(np.float32(value)) == value
    assert (np.float32(said) == np.float32(value)) if is_float else (said == value)


def test_numbers_stay_readable(driver: Driver) -> None:
    texts = {word: json.dumps(driver.ask("number", word)) for word in ("0.9999", "0.001", "1e-06", "3")}
    assert texts == {"0.9999": "0.9999", "0.001": "0.001", "1e-06": "1e-06", "3": "3"}


@pytest.mark.parametrize("name", ["file", "error", "outputs"])
def test_a_record_keeps_edgepacks_own_names_free(driver: Driver, name: str) -> None:
    assert "edgepack's own" in driver.ask("record", "class", name)["error"]
    assert driver.ask("record", "b", "a", "b") == {"b": 1, "a": 1}


@quick
@given(
    st.sampled_from([np.uint8, np.float32, np.int64]).flatmap(
        lambda kind: arrays.arrays(
            kind,
            arrays.array_shapes(max_dims=4, max_side=4),
            elements=BYTES if kind != np.float32 else FLOATS,
        )
    ),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
def test_npy_reads_what_numpy_writes(driver: Driver, values: Any, version: tuple[int, int]) -> None:
    path = _scratch(driver) / "a.npy"
    with path.open("wb") as out:
        np.lib.format.write_array(out, values, version=version)
    said = driver.ask("npy", path)
    assert said["shape"] == list(values.shape)
    assert np.array_equal(np.float32(said["data"]), np.float32(values.ravel()))


_folders: dict[int, Path] = {}


@pytest.fixture(autouse=True, scope="module")
def scratch(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> None:
    # Hypothesis forbids function-scoped fixtures: one folder, overwritten by each example.
    _folders[id(driver)] = tmp_path_factory.mktemp("files")


def _scratch(driver: Driver) -> Path:
    return _folders[id(driver)]


def _npy(header: bytes | str, body: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode()
    size = len(raw) if length is None else length
    packed = struct.pack("<H", size) if version == 1 else struct.pack("<I", size)
    return b"\x93NUMPY" + bytes([version, 0]) + packed + raw + body


def _dict(descr: str = "'|u1'", shape: str = "(2,)", order: str = "False", more: str = "") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}\n"


BAD_ARRAYS: list[tuple[Any, ...]] = [
    (b"", "too short"),
    (b"\x93NUMPY", "too short"),
    (b"PK\x03\x04" + bytes(60), "not a .npy file"),
    (_npy(_dict(), b"ab", version=9), "version 9"),
    (_npy(_dict(), b"ab", length=9999), "header is cut off"),
    (_npy(_dict(), b"ab", version=2, length=2**32 - 1), "header is cut off"),
    (_npy(_dict(), b"a"), "1 bytes of data, its shape needs 2"),
    (_npy(_dict(), b"abc"), "3 bytes of data, its shape needs 2"),
    (_npy(_dict("'<f4'"), b"abcd"), "4 bytes of data, its shape needs 8"),
    (_npy(_dict("'>f4'"), bytes(8)), "type '>f4'"),
    (_npy(_dict("'<f8'"), bytes(16)), "type '<f8'"),
    (_npy(_dict("'|O'"), bytes(16)), "type '|O'"),
    (_npy(_dict("[('a', '<f4')]"), bytes(8)), "no quoted word"),
    (_npy(_dict(order="True"), b"ab"), "Fortran order"),
    (_npy(_dict(order="0"), b"ab"), "neither True nor False"),
    (_npy(_dict(shape="()"), b"a"), "a single number"),
    (_npy(_dict(shape="(-1,)"), b""), "not a whole number"),
    (_npy(_dict(shape="(2.0,)"), b"ab"), "no ')'"),
    (_npy(_dict(shape="(99999999999999999999999,)"), b""), "an axis is too long"),
    (_npy(_dict(shape="(4294967296, 4294967296)"), b""), "its shape is too large"),
    (_npy(_dict("'<i8'", shape="(2305843009213693952, 1)"), b""), "its shape is too large"),
    (_npy(_dict("'<f4'", shape="(4611686018427387904,)"), b""), "its shape is too large"),
    (_npy(_dict(shape="(0, 4294967296, 4294967297)"), b""), "its shape is too large"),
    (_npy(_dict(shape="(1, 1, 1, 1, 1, 1, 1, 1, 1)"), b"a"), "more than 8 axes"),
    (_npy(_dict(more="'x': 1"), b"ab"), "key 'x'"),
    (_npy("{'descr': '|u1', 'shape': (2,)", b"ab"), "no '}'"),
    (_npy("{'descr': '|u1"), "a quote is not closed"),
    (_npy("{}\n"), "no descr or no shape"),
    (_npy(_dict() + "import os"), "text after the header"),
    (_npy(b"\x00" * 40), "no '{'"),
]


@pytest.mark.parametrize(("content", "words"), BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_a_malformed_npy_is_refused_in_words(
    driver: Driver, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    said = driver.ask("npy", path)
    assert words in said.get("error", said)
    assert said["error"].startswith(str(path))


BAD_IMAGES: list[tuple[Any, ...]] = [
    (b"", "not a binary PGM or PPM"),
    (b"P", "not a binary PGM or PPM"),
    (b"P2 1 1 255\n0", "not a binary PGM or PPM"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image, which this program was built without"),
    (b"P5", "width is not a number"),
    (b"P5\n2", "height is not a number"),
    (b"P52 2 255\n0000", "width is not a number"),
    (b"P5 2 x 255\n0000", "height is not a number"),
    (b"P5 -2 2 255\n0000", "width is not a number"),
    (b"P5 0 2 255\n", "without pixels"),
    (b"P5 2 2 0\n0000", "maxval 0"),
    (b"P5 2 2 65535\n00000000", "maxval 65535"),
    (b"P5 2 2 255", "header is cut off"),
    (b"P5 2 2 255x0000", "header is cut off"),
    (b"P5 2 2 255\n000", "cut off: 3 bytes for 2 x 2"),
    (b"P6 2 2 255\n00000000000", "cut off: 11 bytes"),
    (b"P5 65535 65535 255\n0", "65535 x 65535 pixels; at most"),
    (b"P6 65535 65535 255\n" + bytes(100), "65535 x 65535 pixels; at most"),
    (b"P5 65536 1 255\n0", "more than 65535"),
    (b"P5 99999999999999999999 1 255\n0", "more than 65535"),
    (b"P5 # no end of this comment", "width is not a number"),
]


@pytest.mark.parametrize(("content", "words"), BAD_IMAGES, ids=range(len(BAD_IMAGES)))
def test_a_malformed_image_is_refused_in_words(
    driver: Driver, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(content)
    said = driver.ask("image", path)
    assert words in said.get("error", said)


IMAGES: list[tuple[Any, ...]] = [
    (b"P5 2 1 255\n\x01\xff", [1, 1, 2], [1, 255]),
    (b"P5\n# by a camera\n2 # wide\n1\n255\n\x01\xff", [1, 1, 2], [1, 255]),
    (b"P5\t2\r\n1 16 \x00\x10", [1, 1, 2], [0, 16]),
    (b"P6 1 2 255\n\x01\x02\x03\x04\x05\x06", [3, 2, 1], [1, 4, 2, 5, 3, 6]),
    (b"P5 1 1 255\n\x07 trailing", [1, 1, 1], [7]),
    (b"P5 1 1 255\n\n", [1, 1, 1], [10]),
]


@pytest.mark.parametrize(("content", "shape", "values"), IMAGES, ids=range(len(IMAGES)))
def test_images_are_read_as_they_lie(
    driver: Driver, tmp_path: Path, content: bytes, shape: list[int], values: list[int]
) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(content)
    assert driver.ask("image", path) == {"shape": shape, "data": values}


@pytest.mark.parametrize("what", ["npy", "image"])
def test_what_is_no_file_is_refused(driver: Driver, tmp_path: Path, what: str) -> None:
    assert "not a regular file" in driver.ask(what, tmp_path)["error"]
    assert "No such file" in driver.ask(what, tmp_path / "none")["error"]


@quick
@given(st.data())
def test_damaged_files_never_end_the_program(driver: Driver, more: Any) -> None:
    whole = io.BytesIO()
    np.save(whole, np.arange(6, dtype=np.float32).reshape(2, 3))
    kind, good = more.draw(st.sampled_from([("npy", whole.getvalue()), ("image", b"P6 2 1 255\n012345")]))
    raw = bytearray(good)
    for _ in range(more.draw(st.integers(1, 4))):
        raw[more.draw(st.integers(0, len(raw) - 1))] = more.draw(BYTES)
    path = _scratch(driver) / "damaged"
    path.write_bytes(raw[: more.draw(st.integers(0, len(raw)))])
    said = driver.ask(kind, path)
    assert set(said) in ({"error"}, {"shape", "data"})
