"""An ONNX graph written operator by operator, the shape of each tensor known at once.

Only for recipes whose environment has ``onnx``; nothing else of the kit imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .refused import Refused

OPSET = 13
IR = 8  # of onnx 1.10: what old readers know
SMALL = 64  # numbers: constants up to here decide shapes (Reshape's, Resize's), larger ones are weights


class Graph:
    """Operators are added in order; each gives back its output's name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def input(self, name: str, shape: Sequence[int]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        self.shapes[name] = tuple(shape)
        return name

    def constant(self, name: str, value: Any, kind: Any = np.float32) -> str:
        """A weight, or a shape with ``kind=np.int64``."""
        self.constants[name] = np.ascontiguousarray(np.asarray(value, dtype=kind))
        self.shapes[name] = self.constants[name].shape
        return name

    def add(
        self, operator: str, inputs: Sequence[str], name: str, outputs: int = 1, **attributes: Any
    ) -> str:
        """The first output, called as the node is. Raises Refused where the inputs' shapes do not fit."""
        names = [name, *(f"{name}_{n}" for n in range(1, outputs))]
        if name in self.shapes:
            raise Refused("not-a-model", f"two layers write {name}", "names of layers' outputs are unique")
        node = helper.make_node(operator, list(inputs), names, name, **attributes)
        self.shapes.update(self._infer(node))
        self.nodes.append(node)
        return name

    def _infer(self, node: onnx.NodeProto) -> dict[str, tuple[int, ...]]:
        given, small = [], []
        for name in dict.fromkeys(n for n in node.input if n):
            value = self.constants.get(name)
            if value is not None and value.size <= SMALL:
                small.append(numpy_helper.from_array(value, name))
            else:
                kind = TensorProto.FLOAT if value is None else helper.np_dtype_to_tensor_dtype(value.dtype)
                given.append(helper.make_tensor_value_info(name, kind, self.shapes[name]))
        asked = [onnx.ValueInfoProto(name=name) for name in node.output]
        graph = helper.make_graph([node], "one", given, asked, small)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output
        except Exception as bad:  # noqa: BLE001 - onnx raises its own of many kinds
            what = f"the shapes that {node.name} is given do not fit"
            given_to = ", ".join(f"{n} {list(self.shapes[n])}" for n in node.input if n)
            raise Refused("not-a-model", what, f"{node.op_type} gets {given_to}", detail=str(bad)) from None
        return {o.name: tuple(d.dim_value for d in o.type.tensor_type.shape.dim) for o in inferred}

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """The whole; what no output needs is left out. An output keeps its name."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                kept.append(node)
                needed |= set(node.input)
        weights = [numpy_helper.from_array(v, n) for n, v in self.constants.items() if n in needed]
        graph = helper.make_graph(
            kept[::-1],
            self.name,
            [value for value in self.inputs if value.name in needed],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, self.shapes[n]) for n in outputs],
            weights,
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR, producer_name="edgepack")


def rename(model: onnx.ModelProto, names: dict[str, str]) -> None:
    """Tensors, old name → new, where no other tensor is called so already."""
    graph = model.graph
    taken = {n for node in graph.node for n in (*node.input, *node.output)} | {i.name for i in graph.input}
    taken |= {tensor.name for tensor in graph.initializer}
    new = {old: name for old, name in names.items() if name not in taken}
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = new.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
