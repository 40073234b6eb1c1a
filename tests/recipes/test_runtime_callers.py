"""The program's callers against libraries that are real: MNN's engine, which its wheel exports whole, and
the CVI runtime and BMRuntime of tpu_mlir's wheel, which has the chips' C models in it.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.bundle import open_bundle
from edgepack.catalog.paths import data
from edgepack.tools import uv
from edgepack.tools.runner import Completed, command, run
from tests import digits as copied
from tests.standins.runtimes import build

from . import mnn, nets
from .boards import Board, digits
from .trying import Trial, reference

pytestmark = [
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="the wheels' libraries are looked at on x86_64"
    ),
    pytest.mark.skipif(shutil.which("g++") is None, reason="MNN's interface passes types of gcc's library"),
]
TEMPLATE = data("templates/program")
CHECKED = ("-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fno-sanitize-recover=undefined")


def compiled(backend: str, folder: Path, *words: Any) -> Path:
    """The driver around a caller; words: for the compiler."""
    sources = [TEMPLATE / "src" / name for name in (f"model_{backend}.cpp", "file.cpp")]
    includes = ("-I", TEMPLATE / "src", "-I", TEMPLATE / "include", "-isystem", build.include(backend))
    here = Path(__file__).with_name("model_driver.cpp")
    program = folder / "driver"
    argv = (
        "g++",
        "-std=c++17",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        *includes,
        *sources,
        here,
        *words,
    )
    done = run(command(*argv, "-ldl", "-o", program))
    assert done.ok, done.text()
    return program


def asked(
    program: Path, model: Path, images: Any, outputs: Sequence[tuple[str, int]], env: dict[str, str]
) -> Completed:
    """outputs: names, and how many numbers each has."""
    axes = ",".join(map(str, images.shape[1:]))
    words = [word for name, count in outputs for word in (name, str(count))]
    argv = (program, model, "image", axes, *words)
    return run(command(*argv, stdin=images.astype(np.float32).tobytes(), env=env, timeout_s=300))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driver beside the wheel's engine."""
    folder = mnn.folder(tmp_path_factory.mktemp("mnn"), build.include("mnn"))
    words = (
        *CHECKED,
        "-L",
        folder / "lib",
        "-lMNN",
        "-Wl,--allow-shlib-undefined",
        "-Wl,--disable-new-dtags",
    )
    return compiled("mnn", folder, *words, "-Wl,-rpath,$ORIGIN/lib")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial("onnx-mnn", tmp_path_factory.mktemp("models"))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_mnn_computes_what_it_does_in_python(engine: Path, trial: Trial, precision: str) -> None:
    images = nets.digits()
    calibration = {"image": images} if precision == "int8" else None
    converted = trial.convert(nets.LENET, precision, calibration)
    done = asked(engine, converted.out, images, [("logits", 10)], {})
    assert done.ok, done.text()
    answers = np.frombuffer(done.stdout, np.float32).reshape(len(images), 10)
    wanted = converted.compute({"image": images})["logits"].reshape(len(images), 10)
    np.testing.assert_allclose(answers, wanted, atol=1e-4)
    trained = reference(nets.LENET, {"image": images}, ["logits"])["logits"]
    assert (answers.argmax(1) == trained.reshape(wanted.shape).argmax(1)).mean() > 0.98


@pytest.mark.slow
def test_mnn_refuses_in_words(engine: Path, trial: Trial, tmp_path: Path) -> None:
    there = trial.convert(nets.LENET).out
    images, env = (
        nets.digits()[:1],
        {"ASAN_OPTIONS": "detect_leaks=0"},
    )  # of what it refuses, it frees not all
    for given, says in (
        (b"", "the file is damaged, or no model of MNN"),
        ((there / "model.mnn").read_bytes()[:3000], "the file is damaged, or no model of MNN"),
    ):
        (tmp_path / "model.mnn").write_bytes(given)
        done = asked(engine, tmp_path, images, [("logits", 10)], env)
        assert (done.returncode, done.stdout, says in done.text()) == (4, b"", True), done.text()
    done = asked(engine, there, images, [("logits", 9)], env)
    assert "logits has 10 numbers, {9} was expected" in done.text()
    assert "has no output other" in asked(engine, there, images, [("other", 10)], env).text()


@pytest.mark.heavy
@pytest.mark.parametrize(("precision", "chip"), [("bf16", "cv181x"), ("int8", "cv181x"), ("bf16", "cv183x")])
def test_the_cvi_runtime_computes_what_the_simulator_does(tmp_path: Path, precision: str, chip: str) -> None:
    board = Board("onnx-bmodel", tmp_path, samples=4)
    converted = board.convert(precision, chip)
    python = uv.environment(board.known.lock, board.known.about.python)
    libraries = next(python.parents[1].glob("lib/python*/site-packages/tpu_mlir/lib"))
    program = compiled("cviruntime", tmp_path)
    with np.load(digits(tmp_path, 4)[1]) as found:
        images = found["image"]
    wanted = board.simulate(converted, chip)["logits"].reshape(len(images), -1)
    model = next(file for name, file in converted.files.items() if name.endswith(".cvimodel"))
    outputs = [(str(converted.report["outputs"][0]["name"]), 10)]
    env = {"LD_LIBRARY_PATH": str(libraries)}
    done = asked(program, model.parent, images[:, 0], outputs, env)
    assert done.ok, done.text()
    # What the library prints of itself is not among the answers.
    answers = np.frombuffer(done.stdout, np.float32).reshape(len(images), -1)
    np.testing.assert_array_equal(answers, wanted)
    (tmp_path / "model.cvimodel").write_bytes(model.read_bytes()[:1000])
    done = asked(program, tmp_path, images[:, 0], outputs, env)
    assert (done.returncode, "it is cut off" in done.text()) == (4, True), done.text()


def with_the_chips_own(libraries: Path, chip: str, folder: Path) -> Path:
    """The wheel's libraries, with the C model of one chip under the name that BMLIB loads."""
    folder.mkdir()
    for file in libraries.glob("*.so*"):
        (folder / file.name).symlink_to(file)
    (folder / "libcmodel.so").unlink()
    (folder / "libcmodel.so").symlink_to(libraries / f"libcmodel_{chip.removeprefix('bm')}.so")
    return folder


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("precision", "chip"), [("fp32", "bm1684x"), ("int8", "bm1684x"), ("fp16", "bm1688"), ("int8", "bm1688")]
)
def test_bmruntime_computes_what_the_simulator_does(tmp_path: Path, precision: str, chip: str) -> None:
    board = Board("onnx-bmodel", tmp_path, samples=4)
    converted = board.convert(precision, chip)
    python = uv.environment(board.known.lock, board.known.about.python)
    libraries = next(python.parents[1].glob("lib/python*/site-packages/tpu_mlir/lib"))
    env = {"LD_LIBRARY_PATH": str(with_the_chips_own(libraries, chip, tmp_path / "lib"))}
    program = compiled("bmruntime", tmp_path)
    with np.load(digits(tmp_path, 4)[1]) as found:
        images = found["image"]
    wanted = board.simulate(converted, chip)["logits"].reshape(len(images), -1)
    model = next(file for name, file in converted.files.items() if name.endswith(".bmodel"))
    outputs = [(str(converted.report["outputs"][0]["name"]), 10)]
    done = asked(program, model.parent, images[:, 0], outputs, env)
    assert done.ok, done.text()
    # BMLIB and the C model print at every call, which must not get among the answers.
    assert b"cmodel" in done.stderr
    answers = np.frombuffer(done.stdout, np.float32).reshape(len(images), -1)
    np.testing.assert_array_equal(answers, wanted)
    done = asked(program, model.parent, images[:, 0], [("other", 10)], env)
    assert (done.returncode, "has no output other" in done.text()) == (4, True), done.text()
    (tmp_path / "model.bmodel").write_bytes(model.read_bytes()[:1000])
    done = asked(program, tmp_path, images[:, 0], outputs, env)
    assert (done.returncode, "BMRuntime cannot load" in done.text()) == (4, True), done.text()


@pytest.mark.heavy
def test_a_program_with_mnn_is_built_proven_and_carries_it_along(tmp_path: Path) -> None:
    mnn.folder(tmp_path / "mnn", build.include("mnn"))
    project = copied.copy(tmp_path / "digits", copied.fresh_cache(tmp_path / "kept"))
    (project.folder / "targets").mkdir()
    known = data("targets/x86_64.yaml").read_text()
    own = known.replace(
        "value: glibc 2.31", f"value: glibc {platform.libc_ver()[1]}"
    )  # what g++ here links to
    (project.folder / "targets" / "x86_64.yaml").write_text(own)
    asked_for = "  x86_64: {runtime: mnn, toolchain: gcc}"
    project.rewrite("edgepack.yaml", "targets:\n  x86_64: {}", f"sdk: {{mnn: ../mnn}}\ntargets:\n{asked_for}")
    project.said("build", "x86_64")
    file = project.folder / "dist" / "digits@x86_64.proof.json"
    proof = json.loads(file.read_text())["proof"]
    assert (proof["ok"], proof["samples"], proof["how"]) == (True, 64, "this machine")
    bundle = open_bundle(Path(project.bundle("x86_64")))
    assert (bundle.runtime, str(bundle.release["libc"]).partition(" ")[0]) == ("mnn", "glibc")
    assert {"lib/libMNN.so", "LICENSES/mnn.txt"} <= {file.path for file in bundle.files}
