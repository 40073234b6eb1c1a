"""The operators that are tried, each as networks use it: small shapes, fixed weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from bench.operators import branching
from bench.operators.net import In, Node, Taken, Weight, network

MAP, SEQUENCE, ROW, BLOCK = In((1, 8, 12, 12)), In((1, 12, 16)), In((1, 24)), In((1, 4, 6, 8, 8))
SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One use of an operator. when: what of the node sets it apart, as `lacks` says it."""

    operator: str
    variant: str
    build: Callable[[], onnx.ModelProto] = field(repr=False, compare=False)
    opset: int = 13
    when: Mapping[str, str | int] = field(default_factory=dict, compare=False)

    @property
    def id(self) -> str:
        return f"{self.operator} {self.variant}".strip()


def every() -> list[Case]:
    """All of them, by name."""
    found = [*_elementwise(), *_pairs(), *_reductions(), *_convolutions(), *_pools(), *_normalising()]
    found += [*_products(), *_recurrent(), *_resizing(), *_moving(), *_picking(), *_detecting(), *_integers()]
    return sorted([*found, *_branching()], key=lambda case: case.id)


def _one(
    operator: str, *takes: Taken, variant: str = "", when: Attributes | None = None, **asked: Any
) -> Case:
    """gives, used, opset: as Node has them; all else are the operator's attributes."""
    own = {key: asked.pop(key) for key in ("gives", "used", "opset") if key in asked}
    node = Node(operator, takes, asked, **own)
    return Case(operator, variant, partial(network, node), node.opset, dict(when or {}))


def _ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def _floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def _elementwise() -> Iterator[Case]:
    plain = "Abs Ceil Cos Elu Erf Exp Floor HardSigmoid Identity LeakyRelu Neg Relu Round Selu Sigmoid"
    more = "Sign Sin Softplus Softsign Tanh Celu ThresholdedRelu Atan Dropout"
    for operator in f"{plain} {more}".split():
        yield _one(operator, MAP)
    for operator in ("Log", "Sqrt"):
        yield _one(operator, In(MAP.shape, "positive"))
    yield _one("Reciprocal", In(MAP.shape, "positive"), when={"rank": 4})
    yield _one("Reciprocal", In(ROW.shape, "positive"), variant="of a row", when={"rank": 2})
    for operator in ("Acos", "Asin", "Tan"):
        yield _one(operator, In(MAP.shape, "unit"))
    for given, dimensions in ((ROW, 2), (SEQUENCE, 3), (BLOCK, 5)):
        yield _one(
            "Mul", given, _floats(1.5), variant=f"in {dimensions} dimensions", when={"rank": dimensions}
        )
    yield _one("Clip", MAP, _floats(0).reshape(()), _floats(6).reshape(()))
    yield _one("HardSwish", MAP, opset=14)
    yield _one("Mish", MAP, opset=18)
    yield _one("Gelu", MAP, opset=20)
    yield _one("Gelu", MAP, variant="tanh", when={"approximate": "tanh"}, approximate="tanh", opset=20)
    yield _one("PRelu", MAP, Weight((8, 1, 1)))
    yield _one("Not", In(MAP.shape, "mask"))
    yield _one("Cast", MAP, to=TensorProto.INT32)
    yield _one("IsNaN", MAP)


def _pairs() -> Iterator[Case]:
    for operator in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean", "Greater", "Less"):
        yield _one(operator, MAP, MAP)
    for operator in ("GreaterOrEqual", "LessOrEqual", "Equal"):
        yield _one(operator, MAP, _floats(0.5))
    yield _one("Div", MAP, In(MAP.shape, "positive"))
    yield _one("Pow", In(MAP.shape, "positive"), _floats(1.5))
    yield _one("Mod", MAP, _floats(0.7), fmod=1)
    for operator in ("And", "Or", "Xor"):
        yield _one(operator, In(MAP.shape, "mask"), In(MAP.shape, "mask"))
    yield _one("Where", In(MAP.shape, "mask"), MAP, MAP)


def _reductions() -> Iterator[Case]:
    for operator in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
        yield _one(operator, MAP, axes=[2, 3], keepdims=1)
    yield _one("ReduceMax", MAP, variant="over channels", axes=[1], keepdims=1)
    yield _one("ReduceMax", MAP, variant="without keepdims", when={"keepdims": 0}, axes=[1], keepdims=0)
    yield _one("ReduceSum", MAP, _ints(2, 3), keepdims=1)
    for operator in ("ReduceL1", "ReduceLogSumExp"):
        yield _one(operator, MAP, _ints(2, 3), variant="of opset 18", keepdims=1, opset=18)
    yield _one("ReduceProd", In((1, 4, 3, 3)), axes=[3], keepdims=1)
    yield _one("ReduceLogSumExp", MAP, axes=[1], keepdims=1)
    yield _one("ArgMax", MAP, axis=1)
    yield _one("ArgMin", MAP, when={"keepdims": 1}, axis=1)
    yield _one("ArgMin", MAP, variant="without keepdims", when={"keepdims": 0}, axis=1, keepdims=0)
    yield _one("CumSum", SEQUENCE, _ints(1).reshape(()), when={"rank": 3})
    yield _one("CumSum", ROW, _ints(1).reshape(()), variant="of a row", when={"rank": 2})
    yield _one("TopK", ROW, _ints(5), axis=1, gives=2)


def _convolutions() -> Iterator[Case]:
    yield _one("Conv", MAP, Weight((16, 8, 3, 3)), Weight((16,)), when={"rank": 4}, **SAME)
    yield _one("Conv", MAP, Weight((8, 1, 3, 3)), variant="depthwise", when={"group": 8}, group=8, **SAME)
    yield _one("Conv", MAP, Weight((8, 4, 3, 3)), variant="grouped", when={"group": 2}, group=2, **SAME)
    dilated = {"dilations": [2, 2], "kernel_shape": [3, 3], "pads": [2, 2, 2, 2]}
    yield _one("Conv", MAP, Weight((8, 8, 3, 3)), variant="dilated", **dilated)
    uneven = {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1], "strides": [2, 2]}
    yield _one("Conv", MAP, Weight((8, 8, 3, 3)), variant="padded on one side", **uneven)
    one, three = {"kernel_shape": [3], "pads": [1, 1]}, {"kernel_shape": [3] * 3, "pads": [1] * 6}
    yield _one("Conv", SEQUENCE, Weight((16, 12, 3)), variant="1-D", when={"rank": 3}, **one)
    yield _one("Conv", BLOCK, Weight((8, 4, 3, 3, 3)), variant="3-D", when={"rank": 5}, **three)
    twice = {"strides": [2, 2], "kernel_shape": [4, 4], "pads": [1, 1, 1, 1]}
    yield _one("ConvTranspose", MAP, Weight((8, 4, 4, 4)), when={"rank": 4}, **twice)
    more = {"strides": [2, 2], "output_padding": [1, 1]}
    yield _one("ConvTranspose", MAP, Weight((8, 4, 3, 3)), variant="output_padding", **SAME, **more)
    grouped = {"group": 8, "strides": [2, 2], "kernel_shape": [2, 2]}
    yield _one("ConvTranspose", MAP, Weight((8, 1, 2, 2)), variant="depthwise", when={"group": 8}, **grouped)
    wide = {"strides": [2], "kernel_shape": [4], "pads": [1, 1]}
    yield _one("ConvTranspose", SEQUENCE, Weight((12, 4, 4)), variant="1-D", when={"rank": 3}, **wide)
    deep = {"strides": [2] * 3, "kernel_shape": [2] * 3}
    yield _one("ConvTranspose", BLOCK, Weight((4, 4, 2, 2, 2)), variant="3-D", when={"rank": 5}, **deep)


def _pools() -> Iterator[Case]:
    half, up = {"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [3, 3], "strides": [2, 2]}
    yield _one("MaxPool", MAP, when={"rank": 4}, **half)
    yield _one("MaxPool", MAP, variant="ceil_mode", when={"ceil_mode": 1}, ceil_mode=1, **up)
    yield _one("MaxPool", SEQUENCE, variant="1-D", when={"rank": 3}, kernel_shape=[2], strides=[2])
    yield _one("MaxPool", BLOCK, variant="3-D", when={"rank": 5}, kernel_shape=[2] * 3, strides=[2] * 3)
    yield _one("AveragePool", MAP, when={"rank": 4}, **half)
    counted = {"count_include_pad": 1}
    yield _one(
        "AveragePool", MAP, variant="count_include_pad", when=counted, strides=[2, 2], **SAME, **counted
    )
    yield _one("AveragePool", MAP, variant="ceil_mode", when={"ceil_mode": 1}, ceil_mode=1, **up)
    yield _one("AveragePool", BLOCK, variant="3-D", when={"rank": 5}, kernel_shape=[2] * 3, strides=[2] * 3)
    yield _one("LpPool", MAP, **half)
    yield _one("GlobalAveragePool", MAP)
    yield _one("GlobalMaxPool", MAP)


def _normalising() -> Iterator[Case]:
    around = np.linspace(0.5, 1.5, 8, dtype=np.float32)
    yield _one("BatchNormalization", MAP, around, Weight((8,)), Weight((8,)), around[::-1].copy())
    yield _one("InstanceNormalization", MAP, around, Weight((8,)), when={"rank": 4})
    norm = np.linspace(0.5, 1.5, 12, dtype=np.float32)
    yield _one("InstanceNormalization", SEQUENCE, norm, Weight((12,)), variant="1-D", when={"rank": 3})
    yield _one("LayerNormalization", SEQUENCE, Weight((16,)), Weight((16,)), axis=-1, opset=17)
    yield _one("GroupNormalization", MAP, around, Weight((8,)), num_groups=4, opset=21)
    yield _one("LpNormalization", MAP, axis=1, p=2)
    yield _one("LRN", MAP, size=5)
    for operator in ("Softmax", "LogSoftmax"):
        yield _one(operator, SEQUENCE, when={"axis": -1, "rank": 3}, axis=-1)
        yield _one(operator, MAP, variant="of channels", when={"axis": 1, "rank": 4}, axis=1)
        yield _one(operator, MAP, variant="of rows", when={"axis": -1, "rank": 4}, axis=-1)
    yield _one("Hardmax", SEQUENCE, axis=-1)


def _products() -> Iterator[Case]:
    yield _one("Gemm", ROW, Weight((10, 24)), Weight((10,)), transB=1)
    yield _one("MatMul", SEQUENCE, Weight((16, 8)), variant="by a weight")
    yield _one("MatMul", SEQUENCE, In((1, 16, 12)), variant="of two inputs")
    yield _one("MatMul", In((1, 4, 6, 8)), In((1, 4, 8, 6)), variant="in heads")
    yield _one("Einsum", SEQUENCE, SEQUENCE, variant="of two inputs", equation="bij,bkj->bik")
    yield _one("Einsum", SEQUENCE, Weight((16, 8)), variant="by a weight", equation="bij,jk->bik")
    yield _one("DFT", In((1, 16, 1)), axis=1, opset=17)
    window = np.hanning(16).astype(np.float32)
    yield _one("STFT", In((1, 64)), _ints(8).reshape(()), window, _ints(16).reshape(()), onesided=1, opset=17)


def _recurrent() -> Iterator[Case]:
    for operator, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        for direction, count in (("forward", 1), ("bidirectional", 2)):
            build = partial(branching.recurrent, operator, gates, direction)
            variant = "" if count == 1 else direction
            yield Case(operator, variant, build, when={"direction": direction})


def _resizing() -> Iterator[Case]:
    twice = _floats(1, 1, 2, 2)
    for mode, rule in (
        *(("nearest", "asymmetric"), ("linear", "half_pixel"), ("linear", "align_corners")),
        *(("linear", "pytorch_half_pixel"), ("linear", "asymmetric"), ("cubic", "half_pixel")),
    ):
        words = {"mode": mode, "coordinate_transformation_mode": rule}
        more = {"nearest_mode": "floor"} if mode == "nearest" else {}
        yield _one("Resize", MAP, None, twice, variant=f"{mode} {rule}", when=words, **words, **more)
    sizes = _ints(1, 8, 20, 28)
    yield _one("Resize", MAP, None, None, sizes, variant="to odd sizes", mode="linear")
    yield _one("Upsample", MAP, twice, mode="nearest", opset=9)
    grid = {"variant": "nearest", "when": {"mode": "nearest"}, "mode": "nearest"}
    yield _one("GridSample", MAP, In((1, 6, 6, 2)), when={"mode": "bilinear"}, opset=16)
    yield _one("GridSample", MAP, In((1, 6, 6, 2)), opset=16, **grid)
    yield _one("AffineGrid", In((1, 2, 3)), _ints(1, 3, 6, 6), opset=20)
    for mode in ("constant", "reflect", "edge"):
        yield _one("Pad", MAP, _ints(0, 0, 1, 1, 0, 0, 2, 2), variant=mode, when={"mode": mode}, mode=mode)
    for mode in ("DCR", "CRD"):
        yield _one("DepthToSpace", MAP, variant=mode, when={"mode": mode}, mode=mode, blocksize=2)
    yield _one("SpaceToDepth", MAP, blocksize=2)


def _moving() -> Iterator[Case]:
    yield _one("Reshape", MAP, _ints(1, 8, 144))
    yield _one("Flatten", MAP)
    yield _one("Transpose", MAP, perm=[0, 2, 3, 1])
    yield _one("Squeeze", In((1, 8, 1, 12)), _ints(2))
    yield _one("Unsqueeze", SEQUENCE, _ints(1), when={"rank": 3})
    yield _one("Unsqueeze", MAP, _ints(1), variant="of a map", when={"rank": 4})
    yield _one("Unsqueeze", ROW, _ints(2, 3), variant="of a row", when={"rank": 2})
    yield _one("Concat", MAP, MAP, axis=1)
    yield _one("Split", MAP, _ints(2, 6), axis=1, gives=2, used=(0, 1))
    yield _one("Slice", MAP, _ints(1, 2), _ints(9, 10), _ints(2, 3))
    yield _one("Slice", MAP, _ints(0, 0), _ints(99, 99), _ints(2, 3), _ints(2, 2), variant="in steps")
    yield _one("Slice", MAP, _ints(-1), _ints(-99), _ints(3), _ints(-1), variant="backwards")
    yield _one("Tile", MAP, _ints(1, 1, 2, 2), when={"rank": 4})
    yield _one("Tile", SEQUENCE, _ints(1, 2, 1), variant="of rows", when={"rank": 3})
    yield _one("Expand", In((1, 8, 1, 1)), _ints(1, 8, 6, 6))
    yield _one("Trilu", In((1, 1, 8, 8)), opset=14)
    yield _one("ReverseSequence", SEQUENCE, _ints(9), batch_axis=0, time_axis=1)


def _picking() -> Iterator[Case]:
    yield _one("Gather", MAP, _ints(3, 1, 5), axis=1, variant="by a constant", when={"axis": 1, "rank": 4})
    one = np.array(3, np.int64)
    yield _one("Gather", SEQUENCE, one, axis=1, variant="of one", when={"axis": 1, "rank": 3})
    yield _one("Gather", Weight((30, 16)), In((1, 12), "index", 30), axis=0, variant="of an embedding")
    yield _one("GatherElements", SEQUENCE, In((1, 4, 16), "index", 12), axis=1)
    yield _one("GatherND", SEQUENCE, np.array([[[0, 3], [0, 7]]], np.int64))
    yield _one("ScatterND", SEQUENCE, np.array([[0, 3], [0, 7]], np.int64), Weight((2, 16)))
    places = np.tile(np.array([[[2], [5]]], np.int64), (1, 1, 16))
    yield _one("ScatterElements", SEQUENCE, places, Weight((1, 2, 16)), axis=1)
    yield _one("OneHot", In((1, 12), "index", 8), _ints(8), _floats(0, 1))
    yield _one("NonZero", In((1, 24), "positive"))


def _detecting() -> Iterator[Case]:
    limits = _ints(4), _floats(0.99), _floats(-100)
    yield _one("NonMaxSuppression", In((1, 16, 4)), In((1, 1, 16)), *limits)
    boxes = np.array([[0, 0, 6, 6], [2, 3, 9, 11]], np.float32)
    yield _one("RoiAlign", MAP, boxes, _ints(0, 0), output_height=4, output_width=4, sampling_ratio=2)
    regions = np.concatenate([np.zeros((2, 1), np.float32), boxes], axis=1)
    yield _one("MaxRoiPool", MAP, regions, pooled_shape=[3, 3])


def _integers() -> Iterator[Case]:
    scale, zero = _floats(0.05).reshape(()), np.array(128, np.uint8)
    yield _one("QuantizeLinear", MAP, scale, zero)
    yield Case("DequantizeLinear", "", branching.quantised_and_back)
    yield _one("DynamicQuantizeLinear", MAP, gives=3)


def _branching() -> Iterator[Case]:
    yield Case("If", "", branching.either)
    yield Case("Loop", "", branching.repeated)
    yield Case("Scan", "", branching.scanned)
