"""Layers that stay in floating point are the same ones in a model that was made over for a converter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgepack.convert.errors import ConvertError
from edgepack.convert.recipe import Request
from edgepack.convert.rescue import kept_in


def model(file: Path, nodes: Mapping[str, tuple[str, str]]) -> Path:
    """A chain of Relus: node name → the tensor that it takes, the one that it makes."""
    made = [helper.make_node("Relu", [a], [b], name=name) for name, (a, b) in nodes.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    onnx.save(helper.make_model(helper.make_graph(made, "net", ends[:1], ends[1:])), file)
    return file


TRAINED = {"first": ("x", "a"), "second": ("a", "b"), "third": ("b", "y")}
OTHERS: dict[str, tuple[Mapping[str, tuple[str, str]], tuple[str, ...]]] = {
    "as it was": (TRAINED, ("second", "third")),
    "renamed": ({"n0": ("x", "a"), "n1": ("a", "b"), "n2": ("b", "y")}, ("n1", "n2")),
    "another has the name": ({"second": ("x", "b"), "first": ("b", "y")}, ("second", "first")),
    "in another order": ({"third": ("x", "b"), "second": ("b", "y")}, ("third", "second")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_layer_is_known_by_the_tensor_that_it_makes(name: str, tmp_path: Path) -> None:
    nodes, wanted = OTHERS[name]
    trained, other = model(tmp_path / "a.onnx", TRAINED), model(tmp_path / "b.onnx", nodes)
    request = Request(trained, "int8", tmp_path, keep=("second", "third"))
    assert kept_in(other, request) == wanted


def test_one_that_is_merged_with_others_is_refused_by_name(tmp_path: Path) -> None:
    trained = model(tmp_path / "a.onnx", TRAINED)
    other = model(tmp_path / "b.onnx", {"second": ("x", "y")})
    with pytest.raises(ConvertError) as told:
        kept_in(other, Request(trained, "int8", tmp_path, keep=("second",)))
    assert "`second` is to stay in floating point, and is merged" in told.value.what


def test_nothing_is_looked_for_where_nothing_is_kept(tmp_path: Path) -> None:
    assert kept_in(tmp_path / "none.onnx", Request(tmp_path / "none.onnx", "int8", tmp_path)) == ()
