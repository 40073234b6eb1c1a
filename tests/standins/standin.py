"""What the stand-ins share: they read a model really, check samples really, and lie when told to.

Standard library only. A stand-in converts nothing: what it writes is a text that says so, with a digest of
what it was given. It fails on what the real program fails on, in the real one's words (each with its
source); and where a file ``standin-lie`` lies beside this one, it ends as real ones were seen to end.
"""

from __future__ import annotations

import ast
import hashlib
import math
import os
import struct
import sys
import time
from pathlib import Path

LIES = {
    "exit-0-without-artifact": "says that it succeeded, ends with 0, and no file is there",
    "empty-artifact": "says that it succeeded, ends with 0, and the file is empty",
    "failure-words-exit-0": "writes the file, says that it failed, ends with 0",
    "failure-exit-0": "fails, says so, and ends with 0 (scripts around a compiler do)",
    "silent-exit-0": "does and says nothing, ends with 0",
    "success-words-and-nonzero": "writes the file, says that it succeeded, ends with 1",
    "hangs": "never ends",
}
ROOT = Path(__file__).resolve().parent

# onnx.defs.get_all_schemas() of the default domain, ONNX 1.12 (opset 17).
ONNX_OPERATORS = frozenset(
    [
        "Abs",
        "Acos",
        "Acosh",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "AveragePool",
        "BatchNormalization",
        "Bernoulli",
        "BitShift",
        "Cast",
        "CastLike",
        "Ceil",
        "Celu",
        "Clip",
        "Compress",
        "Concat",
        "ConcatFromSequence",
        "Constant",
        "ConstantOfShape",
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "Cos",
        "Cosh",
        "CumSum",
        "DepthToSpace",
        "DequantizeLinear",
        "Det",
        "Div",
        "Dropout",
        "DynamicQuantizeLinear",
        "Einsum",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "EyeLike",
        "Flatten",
        "Floor",
        "GRU",
        "Gather",
        "GatherElements",
        "GatherND",
        "Gemm",
        "GlobalAveragePool",
        "GlobalLpPool",
        "GlobalMaxPool",
        "Greater",
        "GreaterOrEqual",
        "GridSample",
        "HardSigmoid",
        "HardSwish",
        "Hardmax",
        "Identity",
        "If",
        "InstanceNormalization",
        "IsInf",
        "IsNaN",
        "LRN",
        "LSTM",
        "LayerNormalization",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "LogSoftmax",
        "Loop",
        "LpNormalization",
        "LpPool",
        "MatMul",
        "MatMulInteger",
        "Max",
        "MaxPool",
        "MaxRoiPool",
        "MaxUnpool",
        "Mean",
        "MeanVarianceNormalization",
        "Min",
        "Mod",
        "Mul",
        "Multinomial",
        "Neg",
        "NonMaxSuppression",
        "NonZero",
        "Not",
        "OneHot",
        "Or",
        "PRelu",
        "Pad",
        "Pow",
        "QLinearConv",
        "QLinearMatMul",
        "QuantizeLinear",
        "RNN",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Range",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Resize",
        "ReverseSequence",
        "RoiAlign",
        "Round",
        "Scan",
        "Scatter",
        "ScatterElements",
        "ScatterND",
        "Selu",
        "SequenceAt",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceLength",
        "SequenceMap",
        "Shape",
        "Shrink",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Size",
        "Slice",
        "Softmax",
        "Softplus",
        "Softsign",
        "SpaceToDepth",
        "Split",
        "SplitToSequence",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
        "Tile",
        "TopK",
        "Transpose",
        "Trilu",
        "Unique",
        "Unsqueeze",
        "Upsample",
        "Where",
        "Xor",
    ]
)
CONTROL_FLOW = frozenset(
    {"If", "Loop", "Scan", "SequenceMap", "SplitToSequence", "SequenceAt", "SequenceConstruct"}
)


class NotAModel(Exception):
    """The bytes are not the format's."""


class Bad(Exception):
    """Something that the program was given does not fit; its text says what."""


# --- how it ends --------------------------------------------------------------------------------------------


def lie():
    """How it was told to end; "" for an honest run."""
    told = os.environ.get("EDGEPACK_STANDIN_LIE", "")
    mark = ROOT / "standin-lie"
    told = told or (mark.read_text().strip() if mark.is_file() else "")
    if told and told not in LIES:
        sys.exit(f"stand-in: no such lie: {told}")
    return told


def begin():
    """What comes before everything else of a lie."""
    if lie() == "silent-exit-0":
        sys.exit(0)


def artifact(path, tool, given, final=True, more=""):
    """Write what the program is asked for: a text that nothing could take for the real thing."""
    path = Path(path)
    if final and lie() == "exit-0-without-artifact":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if final and lie() == "empty-artifact":
        path.write_bytes(b"")
        return
    digest = hashlib.sha256()
    for item in given:
        digest.update(Path(item).read_bytes() if isinstance(item, Path) else str(item).encode())
    path.write_text(
        f"stand-in for {tool}: not a model; sha256 of what it was given: {digest.hexdigest()}\n{more}"
    )


def succeed(words, failed):
    """End as the program does where it succeeds; failed: what it says where it does not."""
    told = lie()
    if told == "hangs":
        print("working", flush=True)
        time.sleep(3600)
    print(failed if told == "failure-words-exit-0" else words, flush=True)
    sys.exit(1 if told == "success-words-and-nonzero" else 0)


def fail(words, code=1):
    """End as the program does where it fails."""
    print(words, flush=True)
    sys.exit(0 if lie() == "failure-exit-0" else code)


# --- protobuf, as far as an ONNX model needs it: https://protobuf.dev/programming-guides/encoding/ ----------


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise NotAModel("truncated")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def fields(data):
    """(number, value) of each field; bytes for the length-delimited ones."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = data[at : at + size], at + size
        else:
            raise NotAModel(f"no such wire type: {kind}")
        if number == 0 or at > len(data):
            raise NotAModel("truncated")
        yield number, value


def _texts(data, number):
    return [value.decode() for found, value in fields(data) if found == number]


class Node:
    def __init__(self, data):
        self.type = "".join(_texts(data, 4))
        self.name = "".join(_texts(data, 3))
        self.domain = "".join(_texts(data, 7))
        self.inputs, self.outputs = _texts(data, 1), _texts(data, 2)


class Graph:
    """An ONNX model: inputs and outputs (name → dims, -1 where open), nodes, opset.

    Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
    """

    def __init__(self, path):
        data = Path(path).read_bytes()
        self.opset, self.inputs, self.outputs, self.nodes = 0, {}, {}, []
        seen, weights = set(), set()
        try:
            for number, value in fields(data):
                seen.add(number)
                if number == 8:
                    self._import(value)
                elif number == 7:
                    self._graph(value, weights)
        except (UnicodeDecodeError, AttributeError, TypeError) as error:
            raise NotAModel(str(error)) from None
        if not {1, 7, 8} <= seen or not self.nodes:
            raise NotAModel("no ModelProto")
        self.inputs = {name: dims for name, dims in self.inputs.items() if name not in weights}

    def _import(self, data):
        entry = dict(fields(data))
        if entry.get(1, b"") in (b"", b"ai.onnx"):
            self.opset = entry.get(2, 0)

    def _graph(self, data, weights):
        for number, value in fields(data):
            if number == 1:
                self.nodes.append(Node(value))
            elif number == 5:
                weights.update(_texts(value, 8))
            elif number in (11, 12):
                name, dims = _value_info(value)
                (self.inputs if number == 11 else self.outputs)[name] = dims

    def dynamic(self):
        """Inputs with an open dimension."""
        return {name: dims for name, dims in self.inputs.items() if any(d < 1 for d in dims)}

    def unsupported(self, refused=frozenset()):
        """Nodes that are not of the default domain, unknown to ONNX, or refused by the toolkit."""
        return [
            node
            for node in self.nodes
            if node.domain not in ("", "ai.onnx") or node.type not in ONNX_OPERATORS or node.type in refused
        ]


def _value_info(data):
    entry = dict(fields(data))
    tensor = dict(fields(dict(fields(entry.get(2, b""))).get(1, b"")))
    dims = []
    for number, dim in fields(tensor.get(2, b"")):
        if number == 1:
            dims.append(dict(fields(dim)).get(1, -1))
    return entry.get(1, b"").decode(), dims


# --- samples ------------------------------------------------------------------------------------------------


def npy(path):
    """(shape, dtype) of an .npy whose bytes are all there. Format: NumPy's NEP 1. Raises Bad."""
    data = Path(path).read_bytes()
    if data[:6] != b"\x93NUMPY":
        raise Bad(f"{path}: not an .npy")
    wide = data[6] > 1
    size = struct.unpack("<I" if wide else "<H", data[8 : 12 if wide else 10])[0]
    start = 12 if wide else 10
    header = ast.literal_eval(data[start : start + size].decode("latin1"))
    values = (len(data) - start - size) // int(header["descr"][2:])
    if values != math.prod(header["shape"]) or header["fortran_order"]:
        raise Bad(f"{path}: {values} values in an array of shape {header['shape']}")
    return tuple(header["shape"]), header["descr"]


def raw(path, shape, width=4):
    """Check that a file of raw values has as many as ``shape`` asks for. Raises Bad."""
    wanted = math.prod(shape) * width
    found = Path(path).stat().st_size
    if found != wanted:
        raise Bad(f"{path}: {found} bytes, and {tuple(shape)} takes {wanted}")
