"""Each vendor's caller against the stand-in for its library: right numbers, right lifetimes, errors in words.

By contract only: the stand-ins were written from the vendors' published reference (tests/standins/runtimes).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.catalog.paths import data
from edgepack.catalog.vendor_runtimes import EVERY
from edgepack.tools.runner import Completed, command, run
from tests.standins.runtimes import build, net
from tests.standins.runtimes.build import Tensor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="only g++ has an address sanitizer here"),
]
# Not vptr: it asks an object of the stand-in, whose C++ library is another one, for its type.
CHECKED = (
    "-fsanitize=address,undefined",
    "-fno-sanitize=vptr",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
)
RANGE = 24.0  # of the logits and the heat that the network gives for images of 0..1


@dataclass(frozen=True)
class Case:
    """A model as a vendor keeps it. file: its name in a release; names: of tensors; error: of the kept."""

    vendor: str
    file: str
    kind: str = "float32"
    layout: str = "nchw"
    scale: float = 0.0
    zero: int = 0
    names: tuple[str, str, str] = ("image", "logits", "heat")
    error: float = 1e-5

    @property
    def tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        step, zero = (1 / 255, -128) if self.scale and self.kind == "int8" else (self.scale and 1 / 255, 0)
        image = Tensor(self.names[0], "in0", net.INPUT, self.kind, self.layout, step, zero)
        logits = Tensor(self.names[1], "out0", net.LOGITS, self.kind, "nchw", self.scale, self.zero)
        heat = Tensor(self.names[2], "out1", net.HEAT, self.kind, "nchw", self.scale, self.zero)
        return [image], [logits, heat]


CASES = {
    "rknn, half precision": Case(
        "rknn", "model.rknn", "float16", "nhwc", names=("in0", "out0", "out1"), error=2e-2
    ),
    "rknn, 8 bits": Case("rknn", "model.rknn", "int8", "nhwc", 0.1875, 3, ("in0", "out0", "out1"), 0.2),
    "bmruntime": Case("bmruntime", "model.bmodel"),
    "bmruntime, half precision": Case("bmruntime", "model.bmodel", "float16", error=2e-2),
    "acl": Case("acl", "model.om"),
    "acl, half precision": Case("acl", "model.om", "float16", error=2e-2),
    "tensorrt": Case("tensorrt", "model.engine"),
    "tensorrt, half precision": Case("tensorrt", "model.engine", "float16", error=2e-2),
    "viplite": Case("viplite", "model.nb"),
    "viplite, 8 bits": Case("viplite", "model.nb", "uint8", "nchw", 0.1875, 96, error=0.2),
    "nncase": Case("nncase", "model.kmodel"),
    "magicmind": Case("magicmind", "model.mm"),
    "magicmind, channels last": Case("magicmind", "model.mm", "float16", "nhwc", error=2e-2),
    "acl, channels last": Case("acl", "model.om", layout="nhwc"),
    "cviruntime": Case("cviruntime", "model.cvimodel"),
    "cviruntime, bfloat16": Case("cviruntime", "model.cvimodel", "bfloat16", error=0.15),
    "cviruntime, 8 bits": Case("cviruntime", "model.cvimodel", "int8", scale=0.1875, error=0.2),
    "rknnmrt": Case("rknnmrt", "model.rknn", "int8", "nhwc", 0.1875, 3, ("in0", "out0", "out1"), 0.2),
}

Driver = Callable[[str], Path]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """The program for a vendor, its stand-in beside it; made once."""
    made: dict[str, Path] = {}

    def make(vendor: str) -> Path:
        if vendor not in made:
            folder = tmp_path_factory.mktemp(vendor)
            library = build.library(vendor, folder)
            template = data("templates/program")
            sources = [template / "src" / name for name in (f"model_{vendor}.cpp", "file.cpp")]
            includes = ("-I", template / "src", "-I", template / "include", "-isystem", build.include(vendor))
            words = ("-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *CHECKED)
            here = Path(__file__).with_name("runtime_driver.cpp")
            linked = [library] if any(about.backend == vendor and about.links for about in EVERY) else []
            argv = ("g++", *words, *includes, *sources, here, *linked, "-ldl", "-o", folder / "driver")
            done = run(command(*argv))
            assert done.ok, done.text()
            made[vendor] = folder / "driver"
        return made[vendor]

    return make


def write(case: Case, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    inputs, outputs = case.tensors
    (folder / case.file).write_bytes(build.model(case.vendor, net.PARAM, net.weights(), inputs, outputs))
    return folder


def asked(case: Case, driver: Driver, folder: Path, images: Any, lie: str = "") -> Completed:
    program = driver(case.vendor)
    env = {"LD_LIBRARY_PATH": str(program.parent), "EDGEPACK_STANDIN_LIE": lie}
    argv = (program, folder, *case.names)
    return run(command(*argv, stdin=images.astype(np.float32).tobytes(), env=env, timeout_s=60))


def images(count: int = 3) -> Any:
    return np.random.default_rng(5).integers(0, 256, (count, *net.INPUT[1:])) / 255


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_computes_what_numpy_does_and_frees_what_it_took(
    case: Case, driver: Driver, tmp_path: Path
) -> None:
    given = images()
    done = asked(case, driver, write(case, tmp_path / "model"), given)
    assert done.ok, done.text()
    answers = np.frombuffer(done.stdout, np.float32).reshape(len(given), -1)
    for image, answer in zip(given, answers, strict=True):
        logits, heat = net.computed(image[None])
        wanted = np.concatenate([logits.reshape(-1), heat.reshape(-1)])
        assert np.abs(wanted).max() < RANGE
        np.testing.assert_allclose(answer, wanted, atol=case.error)
    assert "refused: `pre` gives {3, 4, 4}, the model takes {3, 4, 5}" in done.text()


@pytest.mark.parametrize("vendor", sorted({case.vendor for case in CASES.values()}))
def test_what_is_wrong_is_said_with_the_vendors_code(vendor: str, driver: Driver, tmp_path: Path) -> None:
    case = next(case for case in CASES.values() if case.vendor == vendor)
    name = next(about for about in EVERY if about.backend == vendor).name.split()[-1]
    there = write(case, tmp_path / "model")
    whole = (there / case.file).read_bytes()
    for damage in (b"", whole[:40], b"another format" + whole):
        (there / case.file).write_bytes(damage)
        done = asked(case, driver, there, images())
        assert done.returncode == 4, done.text()
        assert "error: " in done.text(), done.text()
        assert "cannot load" in done.text(), (name, done.text())
    (there / case.file).unlink()
    done = asked(case, driver, there, images())
    assert (done.returncode, case.file in done.text()) == (4, True), done.text()


LOADED = {case.vendor for case in CASES.values()} - {about.backend for about in EVERY if about.links}


@pytest.mark.parametrize("vendor", sorted(LOADED))
def test_a_box_without_the_library_is_told_so(vendor: str, driver: Driver, tmp_path: Path) -> None:
    case = next(case for case in CASES.values() if case.vendor == vendor)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy2(driver(vendor), alone / "driver")
    done = run(command(alone / "driver", write(case, tmp_path / "model"), *case.names, timeout_s=60))
    assert done.returncode == 4
    assert "cannot be loaded" in done.text()
