"""The declarations of the CVI runtime, held to the real library: tpu_mlir's wheel has it for x86-64, with the
chip's C model. What the stand-in says of tensors it says too, and it computes what the simulator does.
"""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from edgepack.tools import uv
from edgepack.tools.runner import command, run
from tests.standins.runtimes import build

from .boards import Board, digits

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the wheel is for x86_64 alone"),
]


@pytest.mark.parametrize(("precision", "chip"), [("bf16", "cv181x"), ("int8", "cv181x"), ("bf16", "cv180x")])
def test_the_real_library_computes_behind_these_declarations(
    tmp_path: Path, precision: str, chip: str
) -> None:
    board = Board("onnx-bmodel", tmp_path, samples=4)
    converted = board.convert(precision, chip)
    python = uv.environment(board.known.lock, board.known.about.python)
    libraries = next(python.parents[1].glob("lib/python*/site-packages/tpu_mlir/lib"))
    program, source = tmp_path / "real", Path(__file__).with_name("cviruntime_real.cpp")
    headers = ("-I", build.include("cviruntime"))
    built = run(command("g++", "-std=c++17", *headers, source, "-ldl", "-o", program))
    assert built.ok, built.text()
    with np.load(digits(tmp_path, 4)[1]) as found:
        images = found["image"]
    wanted = board.simulate(converted, chip)["logits"].reshape(len(images), -1)
    model = next(file for name, file in converted.files.items() if name.endswith(".cvimodel"))
    for image, answer in zip(images, wanted, strict=True):
        stdin = image.astype(np.float32).tobytes()
        done = run(command(program, libraries, model, stdin=stdin, env={"LD_LIBRARY_PATH": str(libraries)}))
        assert done.ok, done.text()
        lines = [line[7:] for line in done.stdout.decode().splitlines() if line.startswith("answer ")]
        np.testing.assert_array_equal(np.array(lines, np.float32), answer)
