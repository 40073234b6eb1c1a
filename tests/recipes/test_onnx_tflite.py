"""recipes/onnx-tflite, for real: its own environment, onnx2tf and LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgepack.convert.recipe import Request, Simulation, convert, simulate
from edgepack.errors import EdgepackError

from .boards import Board
from .files import conv, node
from .nets import branches

pytestmark = pytest.mark.heavy
LEAST = {"fp32": 0.99999, "fp16": 0.9999, "int8-dynamic": 0.999, "int8": 0.998, "int16x8": 0.998}
KILOBYTES = {"fp32": 260, "fp16": 135, "int8-dynamic": 76, "int8": 77, "int16x8": 80}


@pytest.mark.parametrize("precision", LEAST)
def test_each_precision(tmp_path: Path, precision: str) -> None:
    held = Board("onnx-tflite", tmp_path).held(precision, None)
    assert held.cosine >= LEAST[precision]
    assert held.agreement == 1.0
    assert held.converted.files["model.tflite"].stat().st_size < KILOBYTES[precision] * 1000


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_outputs_come_back_by_their_names_and_in_onnx_layout(tmp_path: Path, precision: str) -> None:
    """Two outputs, which TFLite has channels last and integer files call by numbers."""
    import onnxruntime  # type: ignore[import-untyped]

    model = branches(tmp_path)
    known = Board("onnx-tflite", tmp_path).known
    images = np.random.default_rng(0).random((8, 3, 32, 32), dtype=np.float32)
    np.savez(tmp_path / "inputs.npz", images=images)
    (out := tmp_path / "out").mkdir()
    (again := tmp_path / "again").mkdir()
    log = tmp_path / "log.txt"
    request = Request(model, precision, out, calibration=tmp_path / "inputs.npz")
    converted = convert(known, request, log, lambda _line: None)
    asked = Simulation(out, converted.report, tmp_path / "inputs.npz", again)
    done = simulate(known, asked, log, lambda _line: None)
    session = onnxruntime.InferenceSession(str(model))
    names = [value.name for value in session.get_outputs()]
    wanted = [session.run(names, {"images": image[None]}) for image in images]
    with np.load(done.files["outputs.npz"]) as found:
        for place, name in enumerate(names):
            reference = np.concatenate([answers[place] for answers in wanted])
            assert found[name].shape == reference.shape
            a, b = found[name].ravel(), reference.ravel()
            assert float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) > 0.95


@pytest.mark.parametrize(
    ("precision", "more", "said"),
    [("int8", {"calibrated": False}, "calibration"), ("bf16", {}, "int8-dynamic")],
)
def test_what_cannot_be_is_told(tmp_path: Path, precision: str, more: dict[str, object], said: str) -> None:
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-tflite", tmp_path).convert(precision, None, **more)
    assert said in " ".join((caught.value.what, caught.value.fix))


def test_an_operator_that_it_lacks_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(conv(node("Det", "c"), y=("y", TensorProto.FLOAT, (1, 4))), file)
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-tflite", tmp_path, file).convert("fp32", None)
    assert "Det (node second)" in caught.value.what
    assert caught.value.fix
