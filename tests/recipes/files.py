"""Files that a user may name in ``model.file``, made on the fly, by what is special about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LENET = Path(__file__).parents[2] / "examples" / "digits" / "model" / "lenet.onnx"
FLOAT = TensorProto.FLOAT

Shape = Sequence[int | str]
Value = tuple[str, int, Shape]
Constants = dict[str, NDArray[np.generic]]
Maker = Callable[[Path], Path]

X: Value = ("x", FLOAT, (1, 3, 8, 8))
Y: Value = ("y", FLOAT, (1, 4, 8, 8))
WEIGHT = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    constants: Constants | None = None,
    opset: int = 13,
) -> onnx.ModelProto:
    """A model of these parts; domains other than ONNX's own get version 1."""
    own = sorted({node.domain for node in nodes} - {""})
    graph = helper.make_graph(
        list(nodes),
        "made-for-a-test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in own)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def node(op: str, *inputs: str, into: str = "y", name: str = "second", **rest: object) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [into], name, **rest)


def conv(
    *nodes: onnx.NodeProto,
    x: Value = X,
    y: Value = Y,
    constants: Constants | None = None,
    opset: int = 13,
) -> onnx.ModelProto:
    """``x`` → 3×3 convolution to four channels (the node ``first``) → ``c`` → ``nodes`` → ``y``."""
    first = node("Conv", "x", "w", name="first", into="c", kernel_shape=[3, 3], pads=[1] * 4)
    return model([first, *nodes], [x], [y], {"w": WEIGHT, **(constants or {})}, opset)


def bytes_of(data: Callable[[], bytes]) -> Maker:
    def make(folder: Path) -> Path:
        file = folder / "model.onnx"
        file.write_bytes(data())
        return file

    return make


def made(build: Callable[[], onnx.ModelProto]) -> Maker:
    return bytes_of(lambda: build().SerializeToString())


def external(location: str, *, length: int | None = None, there: bytes = b"", link: bool = False) -> Maker:
    """The convolution's weight is said to lie in ``location``; ``there`` is what such a file holds."""

    def make(folder: Path) -> Path:
        project = folder / "project"
        project.mkdir()
        if link:
            (folder / "elsewhere").write_bytes(there)
            (project / location).symlink_to(folder / "elsewhere")
        elif there:
            (project / location).write_bytes(there)
        return made(lambda: _with_external_weight(location, length))(project)

    return make


def _with_external_weight(location: str, length: int | None) -> onnx.ModelProto:
    built = conv(node("Relu", "c"))
    weight = built.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    if length is not None:
        weight.external_data.add(key="length", value=str(length))
    return built


def _lenet() -> bytes:
    return LENET.read_bytes()


def _wrong_size() -> bytes:
    built = onnx.load(LENET)
    built.graph.initializer[-1].dims[0] = 11
    return built.SerializeToString()


def _relu(x: Shape, y: Shape) -> onnx.ModelProto:
    return conv(node("Relu", "c"), x=("x", FLOAT, x), y=("y", FLOAT, y))


def _where() -> onnx.ModelProto:
    nodes = node("Greater", "c", "z", name="test", into="b"), node("Where", "b", "c", "z", name="pick")
    return conv(*nodes, constants={"z": np.array([0.3], np.float32)})


def _top_k() -> onnx.ModelProto:
    top = helper.make_node("TopK", ["c", "k"], ["y", "places"], "second")
    return conv(top, y=("y", FLOAT, (1, 4, 8, 2)), constants={"k": np.array([2], np.int64)})


def _log_of_negative() -> onnx.ModelProto:
    return conv(
        node("Sigmoid", "c", into="s", name="squash"),
        node("Neg", "s", into="n", name="negate"),
        node("Log", "n"),
    )


def _cast() -> onnx.ModelProto:
    shape = (1, 4)
    return model([node("Cast", "x", to=FLOAT)], [("x", TensorProto.UINT8, shape)], [("y", FLOAT, shape)])


def _pad() -> onnx.ModelProto:
    pads = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)}
    return conv(node("Pad", "c", "p", mode="constant"), y=("y", FLOAT, (1, 4, 10, 10)), constants=pads)


def _crossed() -> onnx.ModelProto:
    """Outputs in another order than inputs."""
    nodes = [node("Relu", "small", into="s", name="first"), node("Sigmoid", "large", into="l")]
    large, small = (1, 3, 8, 8), (1, 5)
    return model(
        nodes,
        [("large", FLOAT, large), ("small", FLOAT, small)],
        [("s", FLOAT, small), ("l", FLOAT, large)],
    )


SELU = {"alpha": 1.6732631921768188, "gamma": 1.0507010221481323}  # ONNX's defaults
NAN = {"n": np.array([np.nan], np.float32)}
HUGE = 1 << 20

FILES: dict[str, Maker] = {
    "half of the file": bytes_of(lambda: _lenet()[: len(_lenet()) // 2]),
    "last byte missing": bytes_of(lambda: _lenet()[:-1]),
    "four bytes left": bytes_of(lambda: _lenet()[:4]),
    "two bytes left": bytes_of(lambda: _lenet()[:2]),
    "empty": bytes_of(lambda: b""),
    "PyTorch": bytes_of(lambda: b"PK\x03\x04" + bytes(100)),
    "Git LFS": bytes_of(lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "text": bytes_of(lambda: b"hello, world\n" * 9),
    "noise": bytes_of(lambda: np.random.default_rng(0).bytes(5000)),
    "a folder": lambda folder: folder,
    "opset 99": made(lambda: conv(node("Relu", "c"), opset=99)),
    "an input from nowhere": made(lambda: conv(node("Add", "c", "nowhere"))),
    "weights are no numbers": made(lambda: conv(node("Add", "c", "n"), constants=NAN)),
    "weights of another size": bytes_of(_wrong_size),
    "external data beside it": external("weights.bin", there=WEIGHT.tobytes()),
    "external data not there": external("weights.bin"),
    "external data cut off": external("weights.bin", length=432, there=bytes(100)),
    "external data above the folder": external("../elsewhere"),
    "external data anywhere": external("/etc/hostname"),
    "external data by a link": external("weights.bin", there=WEIGHT.tobytes(), link=True),
    "an operator of one's own": made(lambda: conv(node("Frobnicate", "c", domain="acme"))),
    "an operator of nobody's": made(lambda: conv(node("Frobnicate", "c"))),
    "ncnn lacks it": made(lambda: conv(node("Det", "c"), y=("y", FLOAT, (1, 4)))),
    "ncnn lacks two by other names": made(_where),
    "pnnx crashes": made(_top_k),
    "dynamic height": made(lambda: _relu((1, 3, "height", 8), (1, 4, "height", 8))),
    "open batch": made(lambda: _relu(("n", 3, 8, 8), ("n", 4, 8, 8))),
    "batch of two": made(lambda: _relu((2, 3, 8, 8), (2, 4, 8, 8))),
    "larger than memory": made(lambda: _relu((1, 3, HUGE, HUGE), (1, 4, HUGE, HUGE))),
    "integers in": made(_cast),
    "integers out": made(lambda: conv(node("ArgMax", "c", axis=1), y=("y", TensorProto.INT64, (1, 1, 8, 8)))),
    "computes no numbers": made(_log_of_negative),
    "read only without its defaults": made(lambda: conv(node("Selu", "c", **SELU))),
    "read only with its defaults": made(_pad),
    "two in two out": made(_crossed),
}
