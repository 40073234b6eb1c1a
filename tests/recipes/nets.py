"""Networks and samples that converters are tried on, beside the digits example."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
LENET = DIGITS / "model" / "lenet.onnx"

Floats = NDArray[np.float32]


def digits() -> Floats:
    """The digits example's 64 golden images as its model takes them: (64, 1, 28, 28), -1..1."""
    sys.path.insert(0, str(DIGITS / "train"))
    try:
        import pipeline
    finally:
        sys.path.pop(0)
    with np.load(DIGITS / "data" / "golden.npz") as golden:
        return np.asarray(pipeline.prepare(golden["input"]), np.float32)


class _Weights:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[onnx.TensorProto] = []

    def conv(self, name: str, out: int, inside: int, k: int) -> list[str]:
        """He et al. 2015 weights and small biases: their names."""
        weight = self.rng.standard_normal((out, inside, k, k)) * np.sqrt(2 / (inside * k * k))
        return [self.add(f"{name}.w", weight), self.add(f"{name}.b", self.rng.standard_normal(out) * 0.1)]

    def norm(self, name: str, channels: int) -> list[str]:
        """Scale, bias, mean and variance as after training: none of them 0 or 1."""
        parts = {
            "scale": self.rng.uniform(0.5, 1.5, channels),
            "bias": self.rng.standard_normal(channels) * 0.1,
            "mean": self.rng.standard_normal(channels) * 0.1,
            "var": self.rng.uniform(0.5, 1.5, channels),
        }
        return [self.add(f"{name}.{part}", value) for part, value in parts.items()]

    def add(self, name: str, value: NDArray[np.generic]) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name


def branches(folder: Path) -> Path:
    """Convolution, batch norm, a residual, a strided branch resized back, a concatenation, two outputs.

    ``images`` (1, 3, 32, 32) → ``near`` (1, 12, 32, 32), ``far`` (1, 8, 16, 16); seeded, opset 13.
    """
    w = _Weights(7)
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    make = helper.make_node
    nodes = [
        make("Conv", ["images", *w.conv("stem", 8, 3, 3)], ["stem"], "stem", **same),
        make("BatchNormalization", ["stem", *w.norm("norm", 8)], ["norm"], "norm", epsilon=1e-3),
        make("Relu", ["norm"], ["act"], "act"),
        make("Conv", ["act", *w.conv("body", 8, 8, 3)], ["body"], "body", **same),
        make("Add", ["body", "act"], ["sum"], "sum"),
        make("Conv", ["sum", *w.conv("down", 8, 8, 3)], ["down"], "down", strides=[2, 2], **same),
        make("Sigmoid", ["down"], ["gate"], "gate"),
        make("Mul", ["down", "gate"], ["far"], "swish"),
        make("Resize", ["far", "", "scales"], ["up"], "up", mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        make("Concat", ["sum", "up"], ["both"], "both", axis=1),
        make("Conv", ["both", *w.conv("head", 12, 16, 1)], ["near"], "head", kernel_shape=[1, 1]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])],
        [
            helper.make_tensor_value_info("near", TensorProto.FLOAT, [1, 12, 32, 32]),
            helper.make_tensor_value_info("far", TensorProto.FLOAT, [1, 8, 16, 16]),
        ],
        [*w.tensors, scales],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    file = folder / "branches.onnx"
    onnx.save(model, str(file))
    return file
