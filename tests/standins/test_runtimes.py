"""Stand-ins for vendors' run-time libraries compute for who calls them rightly, and fail on a wrong use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgepack.tools.runner import Completed, command, run
from tests.standins.runtimes import build, faults, net

pytestmark = pytest.mark.slow

# zig has no address sanitizer; without g++ what reads freed memory of the stand-in is not seen.
SANITIZED = shutil.which("g++") is not None


@dataclass(frozen=True)
class Client:
    """A program that calls the vendor's API: rightly, or with the fault that it is told."""

    program: Path
    model: Path
    pixels: Path

    def run(self, fault: str = "", lie: str = "") -> Completed:
        env = {"EDGEPACK_STANDIN_LIE": lie, "LD_LIBRARY_PATH": str(self.program.parent)}
        return run(command(self.program, self.model, self.pixels, fault, env=env, timeout_s=60))


Make = Callable[[str], Client]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Make:
    made: dict[str, Client] = {}

    def make(vendor: str) -> Client:
        if vendor not in made:
            made[vendor] = compiled(vendor, tmp_path_factory.mktemp(vendor))
        return made[vendor]

    return make


def compiled(vendor: str, folder: Path) -> Client:
    library = build.library(vendor, folder)
    sanitized = ("-fsanitize=address", "-fno-omit-frame-pointer") if SANITIZED else ()
    words = ("-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *sanitized)
    source, program = build.HERE / vendor / "client.cpp", folder / "client"
    done = run(
        command("g++", *words, "-I", build.include(vendor), source, library, "-ldl", "-o", program)
        if SANITIZED
        else build.zig(*words, "-I", build.include(vendor), source, library, "-o", program)
    )
    assert done.ok, done.text()
    inputs, outputs = faults.TENSORS[vendor]
    (folder / "model").write_bytes(build.model(vendor, net.PARAM, net.weights(), inputs, outputs))
    (folder / "pixels").write_bytes(net.pixels().tobytes())
    return Client(program, folder / "model", folder / "pixels")


def numbers(done: Completed) -> np.ndarray:
    assert done.ok, done.text()
    return np.array([float(line) for line in done.stdout.split()])


def expected(vendor: str) -> np.ndarray:
    """What NumPy makes of the same pixels, kept as the vendor's model keeps its outputs."""
    parts = []
    image = kept(faults.TENSORS[vendor][0][0], net.pixels().astype(np.float64))
    for tensor, values in zip(faults.TENSORS[vendor][1], net.computed(image), strict=True):
        parts.append(kept(tensor, values).reshape(-1))
    return np.concatenate(parts)


def kept(tensor: build.Tensor, values: np.ndarray) -> np.ndarray:
    if tensor.kind == "float16":
        return values.astype(np.float16).astype(np.float64)
    if tensor.kind == "bfloat16":  # to the nearest, halves to even: the upper half of a float's bits
        bits = values.astype(np.float32).view(np.uint32).astype(np.uint64)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32)
        return rounded.view(np.float32).astype(np.float64)
    if not tensor.scale:
        return values
    limits = np.iinfo(tensor.kind)
    rounded = np.round(values / tensor.scale) + tensor.zero
    return (np.clip(rounded, limits.min, limits.max) - tensor.zero) * tensor.scale


RIGHT = [(vendor, way) for vendor, ways in faults.RIGHT.items() for way in ways]
WRONG = [(vendor, name) for vendor, table in faults.WRONG.items() for name in table]


def step(vendor: str) -> np.ndarray:
    """How far each number may be away: one step of its quantisation, or what float16 and float32 round."""
    pairs = zip(faults.TENSORS[vendor][1], (3, 24), strict=True)
    return np.concatenate([np.full(count, max(tensor.scale * 1.01, 2e-3)) for tensor, count in pairs])


@pytest.mark.parametrize(("vendor", "way"), RIGHT, ids=lambda one: one or "plain")
def test_who_calls_it_rightly_gets_what_numpy_computes(client: Make, vendor: str, way: str) -> None:
    got = numbers(client(vendor).run(way))
    wanted = expected(vendor)
    assert np.all(np.abs(got - wanted) <= step(vendor) * np.maximum(1, np.abs(wanted) * 1e-2)), got - wanted


@pytest.mark.parametrize(("vendor", "name"), WRONG, ids=str)
def test_a_wrong_use_is_not_forgiven(client: Make, vendor: str, name: str) -> None:
    done = client(vendor).run(name)
    words = faults.WRONG[vendor][name]
    if words in faults.SANITIZERS and not SANITIZED:
        pytest.skip("there is no g++ with an address sanitizer on this host")
    assert not done.ok, done.text()
    assert words in done.stderr.decode(), done.text()


LIES: Mapping[str, str] = {"nothing-written": "zeros or what was there", "stale": "the run before"}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("vendor", faults.RIGHT)
def test_a_lie_ends_well_and_computes_nothing(client: Make, vendor: str, lie: str) -> None:
    got = numbers(client(vendor).run(lie=lie))
    assert np.abs(np.nan_to_num(got) - expected(vendor)).max() > 1


def test_a_model_file_with_one_byte_more_is_refused(client: Make, tmp_path: Path) -> None:
    known = client("rknn")
    longer = tmp_path / "model"
    longer.write_bytes(known.model.read_bytes() + b"\0")
    done = Client(known.program, longer, known.pixels).run()
    assert done.returncode == 3
    assert "more follows than there should be" in done.text()
