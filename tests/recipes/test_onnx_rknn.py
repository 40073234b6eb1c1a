"""recipes/onnx-rknn, for real: its own environment, rknn-toolkit2 and its simulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from edgepack.convert.errors import ConvertParityError
from edgepack.errors import EdgepackError

from .boards import LENET, Board
from .files import conv, node

pytestmark = pytest.mark.heavy
KEPT = ("conv1", "dense1", "dense2")
LEAST = {"fp16": 0.9999, "int8": 0.998, "int16": 0.9999}
PAIRS = [
    (precision["name"], chip)
    for precision in Board("onnx-rknn", Path()).known.about.model_dump()["precisions"]
    for chip in precision["chips"]
]


@pytest.mark.parametrize(("precision", "chip"), PAIRS)
def test_each_chip_in_each_precision(tmp_path: Path, precision: str, chip: str) -> None:
    held = Board("onnx-rknn", tmp_path).held(precision, chip)
    assert held.cosine >= LEAST[precision]
    assert held.agreement == 1.0
    data = held.converted.files["model.rknn"].read_bytes()
    assert chip.encode() in data[-4000:], "the file says which chip it is for"


@pytest.mark.parametrize("granularity", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("method", ["minmax", "kl", "mmse"])
def test_the_ways_to_quantise_differ_and_hold(tmp_path: Path, granularity: str, method: str) -> None:
    board = Board("onnx-rknn", tmp_path)
    held = board.held("int8", "rk3588", quantisation={"granularity": granularity, "method": method})
    assert held.cosine >= 0.998


def test_kept_layers_stay_in_floating_point(tmp_path: Path) -> None:
    board = Board("onnx-rknn", tmp_path)
    whole = board.held("int8", "rk3588")
    mixed = Board("onnx-rknn", tmp_path / "mixed").held("int8", "rk3588", keep=KEPT)
    assert mixed.converted.report["kept"] == sorted(KEPT)
    sizes = [x.converted.files["model.rknn"].stat().st_size for x in (whole, mixed)]
    assert sizes[1] > sizes[0], "half precision takes more room"
    wrong = [float(np.abs(x.outputs["logits"] - x.wanted).mean()) for x in (whole, mixed)]
    assert wrong[1] < wrong[0]


def test_taps_are_the_tensors_between_the_layers(tmp_path: Path) -> None:
    import onnx
    import onnxruntime  # type: ignore[import-untyped]

    board = Board("onnx-rknn", tmp_path)
    model = onnx.shape_inference.infer_shapes(onnx.load(LENET))
    onnx.save(model, tmp_path / "model.onnx")
    board = Board("onnx-rknn", tmp_path, tmp_path / "model.onnx")
    found = board.simulate(board.convert("int8", "rk3566"), "rk3566", ("*",))
    names = [name.removeprefix("tap:") for name in found if name.startswith("tap:")]
    assert len(names) >= 4
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n != "logits")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    with np.load(tmp_path / "inputs.npz") as inputs:
        wanted = [session.run(names, {"image": x[None]}) for x in inputs["image"]]
    for place, name in enumerate(names):
        a, b = found[f"tap:{name}"].ravel(), np.concatenate([w[place] for w in wanted]).ravel()
        assert float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) > 0.99, name


def test_the_same_model_gives_the_same_bytes_and_another_is_noticed(tmp_path: Path) -> None:
    first = Board("onnx-rknn", tmp_path / "a").convert("int8", "rk3568").files["model.rknn"]
    board = Board("onnx-rknn", tmp_path / "b")
    again = board.convert("int8", "rk3568")
    file = again.files["model.rknn"]
    assert first.read_bytes() == file.read_bytes()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ConvertParityError, match="not the one that the simulator computes"):
        board.simulate(again, "rk3568")


def test_what_the_simulator_is_asked_does_not_change_what_is_built(tmp_path: Path) -> None:
    """The detector's file holds addresses; other inputs and the tensors between layers are asked for."""
    shapes = LENET.parents[2] / "shapes"
    raw = np.load(shapes / "data" / "golden.npz")["input"][:6]
    pictures = np.repeat(np.repeat(raw, 2, axis=1), 2, axis=2)[:, :160, :160].transpose(0, 3, 1, 2) / 128 - 1
    np.savez(tmp_path / "calibration.npz", image=pictures.astype(np.float32))
    np.savez(tmp_path / "inputs.npz", image=pictures[3:5].astype(np.float32))
    board = Board("onnx-rknn", tmp_path, shapes / "model" / "shapes.onnx")
    found = board.simulate(board.convert("int8", "rk3588"), "rk3588", ("*",))
    assert len(found["p3"]) == 2
    assert len(found) > 10, "with taps"


REFUSED = [
    ("fp16", "rv1106", {}, "computes integers only", "int8"),
    ("int16", "rv1106b", {}, "cannot do that convolution", "another precision"),
    ("int8", "rv1126", {}, "", "one chip"),
    ("int8", "rk3588", {"calibrated": False}, "", "calibration"),
    ("int8", "rk3588", {"keep": ("nobody",)}, "", "nobody"),
    ("fp32", "rk3588", {}, "", "fp16"),
]


@pytest.mark.parametrize(("precision", "chip", "more", "why", "said"), REFUSED)
def test_what_cannot_be_is_told(
    tmp_path: Path, precision: str, chip: str, more: dict[str, object], why: str, said: str
) -> None:
    with pytest.raises(EdgepackError) as caught:
        Board("onnx-rknn", tmp_path).convert(precision, chip, **more)
    error = caught.value
    assert why in error.why
    assert said in " ".join((error.what, error.why, error.fix))


def test_an_operator_that_the_toolkit_takes_for_another_is_noticed(tmp_path: Path) -> None:
    import onnx

    file = tmp_path / "model.onnx"
    onnx.save(conv(node("Det", "c"), y=("y", TensorProto.FLOAT, (1, 4))), file)
    with pytest.raises(ConvertParityError, match="does not compute what the trained one does"):
        Board("onnx-rknn", tmp_path, file).convert("fp16", "rk3588")
