"""Weights beside an ONNX file are found wherever a model keeps a tensor, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgepack.errors import Exit
from edgepack.model import external
from edgepack.model.errors import ExternalDataError
from tests.recipes.files import FILES, LENET


def tensor(location: str) -> onnx.TensorProto:
    made = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    made.external_data.add(key="location", value=location)
    made.external_data.add(key="length", value="4")
    return made


def graph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "g", [], [])


def node(**attribute: object) -> onnx.NodeProto:
    return helper.make_node("Any", [], ["y"], **attribute)


def everywhere() -> onnx.ModelProto:
    """A tensor in each place that onnx.proto has for one, each with a file of its own."""
    top = graph(node(value=tensor("t")), node(many=[tensor("ts")]))
    top.initializer.append(tensor("initializer"))
    for kind in ("values", "indices"):
        sparse = onnx.SparseTensorProto()
        getattr(sparse, kind).CopyFrom(tensor(f"sparse {kind}"))
        top.sparse_initializer.append(sparse)
        top.node.append(node(value=sparse))
        top.node[-1].attribute[0].sparse_tensor.values.CopyFrom(tensor("sparse attribute"))
    top.node.append(node(many=[onnx.SparseTensorProto(values=tensor("sparse attributes"))]))
    top.node.append(node(body=graph(node(branches=[graph(node(value=tensor("inner")))]))))
    model = helper.make_model(top)
    model.functions.append(onnx.FunctionProto(name="f", node=[node(value=tensor("function"))]))
    model.functions[0].attribute_proto.append(helper.make_attribute("a", tensor("default")))
    model.training_info.add(
        initialization=graph(node(v=tensor("start"))), algorithm=graph(node(v=tensor("go")))
    )
    return model


def test_a_tensor_is_found_wherever_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(everywhere().SerializeToString())
    assert external.locations(file) == {
        *("t", "ts", "initializer", "sparse values", "sparse indices", "sparse attribute"),
        *("sparse attributes", "inner", "function", "default", "start", "go"),
    }


def _saved(folder: Path) -> Path:
    onnx.save(onnx.load(LENET), folder / "m.onnx", save_as_external_data=True, location="m.data")
    return folder / "m.onnx"


def _named(location: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made = helper.make_model(graph(node(value=tensor(location))))
        (folder / "m.onnx").write_bytes(made.SerializeToString())
        return folder / "m.onnx"

    return make


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "w")
    return _named("w")(folder)


def _deep(folder: Path) -> Path:
    """More messages inside one another than protobuf takes, and than Python would recurse."""
    inner = b""
    for _ in range(1000):
        inner = b"\x32" + _size(len(inner)) + inner  # AttributeProto.g; GraphProto has no field 6
        inner = b"\x2a" + _size(len(inner)) + inner  # NodeProto.attribute
        inner = b"\x0a" + _size(len(inner)) + inner  # GraphProto.node
    (folder / "m.onnx").write_bytes(b"\x3a" + _size(len(inner)) + inner)
    return folder / "m.onnx"


def _size(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: LENET, {}),
        (_saved, {"m.data": "m.data"}),
        (FILES["external data beside it"], {"weights.bin": "weights.bin"}),
        *((FILES[kind], {}) for kind in ("half of the file", "last byte missing", "two bytes left", "empty")),
        *((FILES[kind], {}) for kind in ("PyTorch", "text", "noise")),
        (_deep, {}),
    ],
)
def test_the_files_of_a_model(make: Callable[[Path], Path], found: dict[str, str], tmp_path: Path) -> None:
    file = make(tmp_path)
    assert {name: path.name for name, path in external.files(file).items()} == found


@pytest.mark.parametrize(
    ("make", "what", "fix"),
    [
        (FILES["external data not there"], "there is no such file beside it", "copy weights.bin beside"),
        (FILES["external data above the folder"], "wants weights from '../elsewhere'", "beside it"),
        (FILES["external data anywhere"], "wants weights from '/etc/hostname'", "beside it"),
        (FILES["external data by a link"], "leads out of the model's folder", "copy the file itself"),
        (_named("a/../../b"), "wants weights from 'a/../../b'", "beside it"),
        (_named("..\\b"), "wants weights from '..\\\\b'", "beside it"),
        (_named(""), "wants weights from ''", "beside it"),
        (_named("\x1b[2Ja\0"), "wants weights from '?[2Ja?'", "beside it"),
        (_named("."), "no such file", "copy . beside"),
        (_named("w" * 5000), "no such file", "beside m.onnx"),
        (_fifo, "no such file", "copy w beside"),
    ],
)
def test_a_file_that_may_not_be_read_is_refused(
    make: Callable[[Path], Path], what: str, fix: str, tmp_path: Path
) -> None:
    with pytest.raises(ExternalDataError) as caught:
        external.files(make(tmp_path))
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.why
    assert caught.value.exit_code == Exit.MODEL


def test_a_file_of_holes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    model = onnx.helper.make_model(helper.make_graph([], "g", [], [], [tensor("weights.bin")]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ExternalDataError, match="which has 1,100 GB"):
        external.files(tmp_path / "m.onnx")


def test_weights_that_git_left_elsewhere_are_told(tmp_path: Path) -> None:
    model = _saved(tmp_path)
    FILES["Git LFS"](tmp_path).replace(tmp_path / "m.data")
    with pytest.raises(ExternalDataError) as told:
        external.files(model)
    assert told.value.what.startswith("m.data is a Git-LFS pointer")
    assert "git lfs pull" in (told.value.fix or "")
