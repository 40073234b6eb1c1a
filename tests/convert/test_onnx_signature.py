"""An ONNX file's inputs and outputs, read without the onnx package and held to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgepack.convert import onnx_signature
from edgepack.convert.errors import ModelError
from edgepack.convert.onnx_signature import Tensor

LENET = Path(__file__).parents[2] / "examples/digits/model/lenet.onnx"


def _model(shape: list[int | str]) -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.ones((3,), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Add", ["image", "w"], ["sum"]), helper.make_node("Relu", ["sum"], ["out"])],
        "g",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [3]),  # as old exporters do
            helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, 2]),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT16, shape)],
        [weights],
    )
    return helper.make_model(graph)


def test_it_says_what_onnx_says(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    onnx.save(_model([1, 2, 3]), file)
    found = onnx_signature.read(file)
    assert found.inputs == (Tensor("image", (1, 2, 3), "float32"), Tensor("mask", (1, 2), "uint8"))
    assert found.outputs == (Tensor("out", (1, 2, 3), "float16"),)
    assert found.operators == {"Add": 1, "Relu": 1}


def test_lenet() -> None:
    found = onnx_signature.read(LENET)
    assert found.inputs == (Tensor("image", (1, 1, 28, 28)),)
    assert found.outputs == (Tensor("logits", (1, 10)),)
    assert sum(found.operators.values()) == len(onnx.load(LENET).graph.node)


@pytest.mark.parametrize(
    ("domains", "wanted"),
    [([("", 17)], 17), ([("com.microsoft", 1), ("ai.onnx", 200)], 200), ([("com.microsoft", 1)], None)],
)
def test_the_opset(tmp_path: Path, domains: list[tuple[str, int]], wanted: int | None) -> None:
    model = _model([1, 2, 3])
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in domains)
    onnx.save(model, tmp_path / "model.onnx")
    assert onnx_signature.opset(tmp_path / "model.onnx") == wanted


def test_what_is_no_model_has_none(tmp_path: Path) -> None:
    for data in (b"", b"no model", b"\xff" * 64, b"\x42\x7f\x0a"):
        (tmp_path / "model.onnx").write_bytes(data)
        assert onnx_signature.opset(tmp_path / "model.onnx") is None


@pytest.mark.parametrize("shape", [["batch", 2, 3], [1, "h", 3]])
def test_open_shapes_are_refused(tmp_path: Path, shape: list[int | str]) -> None:
    onnx.save(_model(shape), tmp_path / "model.onnx")
    with pytest.raises(ModelError) as raised:
        onnx_signature.read(tmp_path / "model.onnx")
    assert "image" in raised.value.why


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    whole = LENET.read_bytes()
    for number, data in enumerate((b"", b"no model", whole[: len(whole) // 2], b"\xff" * 64)):
        file = tmp_path / f"{number}.onnx"
        file.write_bytes(data)
        with pytest.raises(ModelError):
            onnx_signature.read(file)
