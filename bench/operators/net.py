"""Networks around one ONNX operator: float32 in with a batch of 1, float32 out with a batch of 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SEED = 20261121
_FLOAT = np.dtype(np.float32)


@dataclass(frozen=True)
class In:
    """An input of the network that the operator takes, once a weight was applied to it.

    kind: real; positive: above 0.1; unit: 0..1; mask: bool; index: int64 from 0 to below, excluded.
    """

    shape: tuple[int, ...]
    kind: str = "real"
    below: int = 0


@dataclass(frozen=True)
class Weight:
    """A trained constant, drawn from a normal distribution of that deviation."""

    shape: tuple[int, ...]
    deviation: float = 0.3


Taken = In | Weight | NDArray[Any] | None


@dataclass(frozen=True)
class Node:
    """The operator: what it takes, its attributes, and which of its outputs are looked at."""

    operator: str
    takes: Sequence[Taken]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    gives: int = 1
    used: tuple[int, ...] = (0,)
    opset: int = 13


class Net:
    """A graph written node by node; all that is random comes from ``SEED``."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(SEED)
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, value: NDArray[Any]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(np.array([value], np.float32))

    def add(self, operator: str, takes: Sequence[str], gives: int = 1, **attributes: Any) -> str:
        """The name of its first output; the others are called NAME.1, NAME.2, …."""
        name = f"{operator.lower()}{len(self.nodes)}"
        names = [name, *(f"{name}.{number}" for number in range(1, gives))]
        self.nodes.append(helper.make_node(operator, list(takes), names, name, **attributes))
        return name

    def take(self, given: Taken) -> str:
        if given is None:
            return ""
        if isinstance(given, Weight):
            value = self.rng.standard_normal(given.shape) * given.deviation
            return self.constant(np.asarray(value, np.float32))
        return self._input(given) if isinstance(given, In) else self.constant(given)

    def _input(self, given: In) -> str:
        """A tool folds away, or refuses, what has no weight: there is one before the operator."""
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(given.shape)))
        if len(given.shape) == 4:
            channels = given.shape[1]
            weight = np.eye(channels) + self.rng.standard_normal((channels, channels)) * 0.2
            kernel = self.constant(np.asarray(weight, np.float32)[:, :, None, None])
            made = self.add("Conv", [name, kernel], kernel_shape=[1, 1])
        else:
            made = self.add("Mul", [name, self.scalar(1.25)])
        if given.kind == "positive":
            made = self.add("Add", [self.add("Mul", [made, made]), self.scalar(0.1)])
        if given.kind in ("unit", "index"):
            made = self.add("Sigmoid", [made])
        if given.kind == "mask":
            made = self.add("Greater", [made, self.scalar(0.3)])
        if given.kind == "index":
            scaled = self.add("Mul", [made, self.scalar(given.below - 0.001)])
            made = self.add("Cast", [scaled], to=TensorProto.INT64)
        return made

    def model(self, outputs: Sequence[onnx.ValueInfoProto], opset: int) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "operator", self.inputs, list(outputs), self.weights)
        ir = 8 if opset <= 18 else 9 if opset <= 20 else 10  # onnx's own table of versions
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)

    def feeds(self) -> dict[str, NDArray[np.float32]]:
        rng = np.random.default_rng(SEED)
        shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in self.inputs}
        return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def network(node: Node) -> onnx.ModelProto:
    """The operator with what it needs around it. Raises what onnx's checker and ONNX Runtime raise."""
    net = Net()
    name = net.add(node.operator, [net.take(t) for t in node.takes], node.gives, **node.attributes)
    return finished(net, [name if n == 0 else f"{name}.{n}" for n in node.used], node.opset)


def finished(net: Net, names: Sequence[str], opset: int) -> onnx.ModelProto:
    """Outputs in float32 and with a batch of 1, and their shapes as ONNX Runtime has them."""
    bare = net.model([onnx.ValueInfoProto(name=name) for name in names], opset)
    values = _computed(bare, net)
    outputs = []
    for name, value in zip(names, values, strict=True):
        made, shape = name, value.shape
        if value.dtype != _FLOAT:
            made = net.add("Cast", [made], to=TensorProto.FLOAT)
        if not shape or shape[0] != 1:
            shape = (1, *shape) if shape else (1, 1)
            made = net.add("Reshape", [made, net.constant(np.array(shape, np.int64))])
        outputs.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, list(shape)))
    model = onnx.shape_inference.infer_shapes(net.model(outputs, opset))
    onnx.checker.check_model(model, full_check=True)
    return model


def _computed(model: onnx.ModelProto, net: Net) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [np.asarray(value) for value in session.run(None, net.feeds())]
