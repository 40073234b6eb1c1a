"""Half precision and 8 bits in C++ are NumPy's, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from edgepack.catalog.paths import data
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.compile.program_driver import STRICT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tools = toolchain("zig", host_arch())
    program = tmp_path_factory.mktemp("numbers") / "driver"
    words = ("-std=c++17", *STRICT, "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
    source = Path(__file__).with_name("numbers_driver.cpp")
    argv = (*tools.cxx, *words, "-I", data("templates/program") / "src", source, "-o", program)
    done = run(command(*argv, env=tools.env))
    assert done.ok, done.text()
    return program


def asked(driver: Path, questions: list[str]) -> Any:
    done = run(command(driver, stdin="\n".join(questions).encode(), timeout_s=60))
    assert done.ok, done.text()
    return np.array(done.stdout.split(), np.int64)


def floats() -> Any:
    """All signs and exponents, values between two halves, and the borders of what a half can say."""
    drawn = np.random.default_rng(11).integers(0, 2**32, 20_000, np.uint64).astype(np.uint32).view(np.float32)
    near = np.arange(0, 2**16, 7, np.uint16).view(np.float16).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        between = (near + np.nextafter(near, np.float32(np.inf))) / 2
        middles = near * np.float32(1 + 2**-11)
    edges = np.float32(
        [0, -0.0, 65504, 65519.99, 65520, 65536, 2**-14, 2**-24, 2**-25, 2**-26, np.inf, -np.inf]
    )
    return np.concatenate([drawn, near, between, middles, edges])


def test_every_half_is_read_and_each_float_is_rounded_as_numpy_does(driver: Path) -> None:
    halves = np.arange(2**16, dtype=np.uint16)
    got = asked(driver, [f"half {bits}" for bits in halves]).astype(np.uint32).view(np.float32)
    np.testing.assert_array_equal(got, halves.view(np.float16).astype(np.float32))
    values = floats()
    got = (
        asked(driver, [f"float {bits}" for bits in values.view(np.uint32)]).astype(np.uint16).view(np.float16)
    )
    with np.errstate(invalid="ignore", over="ignore"):
        np.testing.assert_array_equal(got, values.astype(np.float16))


def test_bfloat16_is_that_of_a_library_of_its_own(driver: Path) -> None:
    values = floats()
    kept = asked(driver, [f"bfloat {bits}" for bits in values.view(np.uint32)]).astype(np.uint16)
    with np.errstate(invalid="ignore"):
        wanted = values.astype(ml_dtypes.bfloat16)
    known = ~np.isnan(values)
    np.testing.assert_array_equal(kept[known], wanted.view(np.uint16)[known])
    with np.errstate(invalid="ignore"):
        assert np.isnan(kept.view(ml_dtypes.bfloat16)[~known].astype(np.float32)).all()
    back = asked(driver, [f"wide {bits}" for bits in kept[known]]).astype(np.uint32).view(np.float32)
    np.testing.assert_array_equal(back, wanted[known].astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "zero"), [("int8", -128), ("int8", 0), ("int8", 3), ("uint8", 0), ("uint8", 96)]
)
def test_8_bits_are_rounded_to_the_nearest_and_kept_within(driver: Path, kind: str, zero: int) -> None:
    step, about = 0.125, np.iinfo(kind)
    values = np.concatenate([np.linspace(-40, 40, 2000), np.arange(-30, 30) * step / 2]).astype(np.float32)
    values = np.append(values, np.float32([1e30, -1e30, np.inf, -np.inf]))
    got = asked(driver, [f"{kind} {step} {zero} {bits}" for bits in values.view(np.uint32)])
    wanted = np.clip(np.rint(values.astype(np.float64) / step) + zero, about.min, about.max)
    np.testing.assert_array_equal(got, wanted.astype(np.int64))
