"""`logmel` against its twin and against librosa's own numbers; WAV files against Python's reader of them."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgepack_blocks.sound import logmel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.blocks.words import array, near, refused, result, tensor
from tests.compile.program_driver import Driver

pytestmark = pytest.mark.slow
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALES, LOGS = ("htk", "slaney"), ("natural", "ten", "decibel")

# Of librosa 0.11.0's melspectrogram (pad_mode="reflect") of the sound in it, log(max(x, 1e-10)).
LIBROSA = Path(__file__).parent / "logmel.npz"
SLANEY = {"scale": "slaney", "area": True}
CASES: dict[str, dict[str, Any]] = {
    "librosa": {"fft": 512, "window": 400, "hop": 160, "bands": 20, **SLANEY},
    "htk": {"window": 400, "hop": 200, "bands": 16, "low": 100.0, "high": 3500.0},
    "magnitude": {"window": 256, "hop": 128, "bands": 12, "power": 1.0, "center": False, **SLANEY},
    "decibel": {"fft": 512, "window": 400, "hop": 160, "bands": 20, "log": "decibel", **SLANEY},
}


def words(rate: int, window: int, hop: int, bands: int, **by: Any) -> str:
    """A block as the harness reads it."""
    numbers: list[Any] = [rate, by.get("samples") or 0, window, hop, by.get("fft") or window, bands]
    numbers += [by.get("low", 0.0), by.get("high") or rate / 2, SCALES.index(by.get("scale", "htk"))]
    numbers += [int(by.get("area", False)), int(by.get("center", True)), by.get("power", 2.0)]
    numbers += [LOGS.index(by.get("log", "natural")), by.get("floor", 1e-10), by.get("offset", 0.0)]
    return " ".join(map(repr, numbers))


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_librosa_computes(harness: Driver, case: str) -> None:
    kept = np.load(LIBROSA)
    sound = kept["sound"][None]
    said = result(harness.ask("logmel", words(8000, **CASES[case]), array(sound)))
    assert said.shape == kept[case].shape
    np.testing.assert_allclose(said, kept[case], atol=2e-3)
    np.testing.assert_allclose(logmel(sound, 8000, **CASES[case]), kept[case], atol=2e-3)


@st.composite
def blocks(draw: st.DrawFn) -> dict[str, Any]:
    window = draw(st.sampled_from([2, 7, 16, 25, 60, 97]))
    high = draw(st.sampled_from([None, 300.0, 999.0]))
    return {
        "rate": 2000,
        "window": window,
        "hop": draw(st.integers(1, 40)),
        "bands": draw(st.integers(1, 8)),
        "fft": draw(st.sampled_from([None, window + 1, 128])),
        "samples": draw(st.sampled_from([None, 150, 400])),
        "low": draw(st.sampled_from([0.0, 50.0])),
        "high": high,
        "scale": draw(st.sampled_from(SCALES)),
        "area": draw(st.booleans()),
        "center": draw(st.booleans()),
        "power": draw(st.sampled_from([1.0, 2.0, 1.5])),
        "log": draw(st.sampled_from(LOGS)),
        "floor": draw(st.sampled_from([0.0, 1e-10, 1e-3])),
        "offset": draw(st.sampled_from([1e-6, 1.0])),
    }


@quick
@given(blocks(), st.integers(1, 2), st.integers(130, 300), st.integers(0, 99), st.booleans())
def test_logmel(
    harness: Driver, by: dict[str, Any], channels: int, length: int, seed: int, loud: bool
) -> None:
    rng = np.random.default_rng(seed)
    sound = np.float32(rng.standard_normal((channels, length)) * (1 if loud else 1e-3))
    said = result(harness.ask("logmel", words(**by), array(sound)))
    # An offset of a millionth leaves what rounding has done to next to nothing.
    near(said, logmel(sound, **by), 1)


@pytest.mark.parametrize(
    ("by", "sound", "why"),
    [
        ({}, tensor((1, 4, 4), [1] * 16), "takes sound {channels, samples}"),
        ({}, tensor((1, 0), []), "takes sound"),
        ({}, tensor((1, 4), [1] * 3), "with 3 numbers"),
        ({"center": False}, tensor((1, 15), [1] * 15), "15 samples, and a frame has 16"),
        ({}, tensor((1, 8), [1] * 8), "`center` mirrors 8"),
    ],
)
def test_what_is_no_sound_is_refused_in_words(
    harness: Driver, by: dict[str, Any], sound: str, why: str
) -> None:
    assert why in refused(harness, "logmel", words(8000, 16, 4, 2, **by), sound)


def riff(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def described(
    kind: int, channels: int, bits: int, more: bytes = b"", rate: int = 8000
) -> tuple[bytes, bytes]:
    block = channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits) + more


def heard(harness: Driver, file: bytes) -> Any:
    return np.float32(result(harness.ask("file", f"x{file.hex()}")))


@quick
@given(st.sampled_from([1, 2, 3, 4]), st.integers(1, 3), st.binary(min_size=12, max_size=60))
def test_pcm_is_what_pythons_own_reader_reads(
    harness: Driver, width: int, channels: int, noise: bytes
) -> None:
    whole = noise[: len(noise) // (width * channels) * width * channels]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(8000)
        writer.writeframes(whole)
    rows = [whole[i : i + width] for i in range(0, len(whole), width)]
    values = [int.from_bytes(row, "little", signed=width > 1) - (128 if width == 1 else 0) for row in rows]
    wanted = np.float32(np.array(values, np.float64) / 2 ** (8 * width - 1)).reshape(-1, channels).T
    np.testing.assert_array_equal(heard(harness, file.getvalue()), wanted)


def test_floats_other_parts_and_the_longer_description(harness: Driver) -> None:
    values = np.float32([0.25, -1.5, 3e-5])
    floats = riff(described(3, 1, 32), (b"LIST", b"odd"), (b"data", values.tobytes()), (b"tail", b""))
    np.testing.assert_array_equal(heard(harness, floats), values[None])
    longer = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    file = riff(described(0xFFFE, 2, 16, longer), (b"data", struct.pack("<4h", 16384, -32768, 0, 1)))
    np.testing.assert_array_equal(heard(harness, file), [[0.5, 0.0], [-1.0, 2**-15]])


GOOD = riff(described(1, 1, 16), (b"data", b"abcd"))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (GOOD[:-1], "cut off"),
        (GOOD[:12], "no samples"),
        (GOOD[:36], "no samples"),
        (riff((b"data", b"abcd")), "before their description"),
        (riff(described(1, 1, 16), (b"data", b"")), "with 0 samples"),
        (riff((b"fmt ", b"\1\0\1\0")), "description is cut off"),
        (riff(described(85, 1, 16), (b"data", b"abcd")), "of kind 85"),
        (riff(described(1, 1, 12), (b"data", b"abcd")), "12 bits"),
        (riff(described(3, 1, 64), (b"data", bytes(8))), "64 bits"),
        (riff(described(1, 0, 16), (b"data", b"abcd")), "contradicts itself"),
        (riff(described(1, 65, 16), (b"data", b"abcd")), "contradicts itself"),
        (GOOD[:40] + b"\xff\xff\xff\xff" + GOOD[44:], "ends beyond the file"),
    ],
)
def test_a_damaged_file_is_one_clear_line(harness: Driver, file: bytes, why: str) -> None:
    assert why in refused(harness, "file", f"x{file.hex()}")


@quick
@given(st.integers(0, len(GOOD)), st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_whatever_is_in_a_file_it_is_read_or_refused(harness: Driver, end: int, at: int, byte: int) -> None:
    """The harness would end on a read beyond the bytes: it is compiled so."""
    changed = bytearray(GOOD)
    changed[at] = byte
    said = harness.ask("file", f"x{bytes(changed[:end]).hex()}")
    assert "error" in said or len(said["shape"]) in (2, 3)
