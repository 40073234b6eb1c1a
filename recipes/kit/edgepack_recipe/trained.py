"""The trained ONNX model as a recipe sees it, and ONNX Runtime as what a result is held to.

Only for recipes whose environment has ``onnx`` and ``onnxruntime``; nothing else of the kit imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from .refused import Refused

LARGEST_INPUT = 1 << 28  # elements, 1 GiB of float32
EXPORT_AGAIN = "export the model again, or copy it again and compare sizes"


@dataclass(frozen=True)
class Tensor:
    """An input or output of the graph."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Trained:
    """The graph and a session. operators: ONNX operator → the names of its nodes, in the graph's order."""

    file: Path
    graph: onnx.GraphProto
    opset: int
    session: onnxruntime.InferenceSession = field(repr=False)
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def operators(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for node in self.graph.node:
            found.setdefault(node.op_type, []).append(node.name or node.output[0])
        return dict(sorted(found.items()))

    def counts(self) -> dict[str, int]:
        """The report's ``operators``."""
        return {operator: len(nodes) for operator, nodes in self.operators.items()}

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [output.name for output in self.outputs]
        found = self.session.run(names, feeds)
        return {name: found[i] for i, name in enumerate(names)}

    def nodes_named(self, names: Sequence[str]) -> list[onnx.NodeProto]:
        """The nodes of these names, in the graph's order. Raises Refused where one is not there."""
        known = {node.name or node.output[0]: node for node in self.graph.node}
        missing = [name for name in names if name not in known]
        if missing:
            what = f"no operator of the model is called {', '.join(missing)}"
            raise Refused("unsupported-input", what, fix="names: " + ", ".join(list(known)[:40]))
        return [node for name, node in known.items() if name in names]


def read(file: Path, opsets: tuple[int, int]) -> Trained:
    """The model in ``file``, one ONNX file with static shapes. Raises Refused, saying what is wrong.

    opsets: the lowest and the highest that the recipe takes.
    """
    model = _parsed(file)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    low, high = opsets
    if not low <= opset <= high:
        raise Refused(
            "unsupported-input",
            f"{file.name} has opset {opset}; this recipe takes {low} to {high}",
            fix="export at opset 13 (torch.onnx.export(…, opset_version=13))",
        )
    _check(model, file.name)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_tensor(value, "input") for value in model.graph.input if value.name not in constants)
    session = _session(file)
    return Trained(file, model.graph, opset, session, inputs, _outputs(session, inputs))


def _outputs(session: onnxruntime.InferenceSession, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """By what the file says, and where it leaves a size open by what is computed."""
    found = session.get_outputs()
    if all(isinstance(size, int) for output in found for size in output.shape):
        return tuple(Tensor(output.name, tuple(output.shape)) for output in found)
    values = session.run(None, {t.name: np.zeros(t.shape, np.float32) for t in inputs})
    return tuple(Tensor(output.name, tuple(value.shape)) for output, value in zip(found, values))  # noqa: B905


def _parsed(file: Path) -> onnx.ModelProto:
    if not file.is_file():
        raise Refused("not-a-model", f"{file.name} is not a file", fix="name the ONNX file in model.file")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(file.read_bytes())
    except Exception as bad:  # noqa: BLE001 - protobuf's error has another name in each of its versions
        what = f"{file.name} is cut off, or is not an ONNX file"
        raise Refused("not-a-model", what, _first_line(bad), EXPORT_AGAIN) from None
    if not model.ir_version or not model.graph.node:
        what = f"{file.name} is cut off, or is not an ONNX file"
        raise Refused("not-a-model", what, "it has no operators", EXPORT_AGAIN)
    return model


def _check(model: onnx.ModelProto, name: str) -> None:
    try:
        onnx.checker.check_model(model)
    except Exception as bad:  # noqa: BLE001 - the checker's errors are of many kinds, and all mean this
        raise Refused(
            "not-a-model", f"{name} is no valid ONNX model", _first_line(bad), EXPORT_AGAIN
        ) from None


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as bad:  # noqa: BLE001 - ONNX Runtime raises its own of many kinds
        words = str(bad)
        unknown = "not a registered function/op" in words or "NOT_IMPLEMENTED" in words
        raise Refused(
            "unsupported-operator" if unknown else "not-a-model",
            f"ONNX Runtime, which the result is held to, does not load {file.name}",
            why=_first_line(bad),
            fix="write it with standard ONNX operators of opset 13, and try: onnxruntime.InferenceSession",
        ) from None


def _tensor(value: onnx.ValueInfoProto, role: str) -> Tensor:
    kind = value.type.tensor_type
    sizes = tuple(d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim)
    if kind.elem_type != onnx.TensorProto.FLOAT:
        given = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        what = f"the {role} {value.name} is {given}, and only float32 can be converted"
        raise Refused("unsupported-input", what, fix="put a Cast behind it, and export again")
    if not sizes or min(sizes) < 1:
        shown = ", ".join(str(d.dim_value or d.dim_param or "?") for d in kind.shape.dim)
        raise Refused(
            "unsupported-input",
            f"the {role} {value.name} has no fixed shape: ({shown})",
            why="the converted model is planned for one shape",
            fix=f"export with a fixed shape, or: python -m onnxruntime.tools.make_dynamic_shape_fixed "
            f"--input_name {value.name} --input_shape 1,3,224,224",
        )
    if int(np.prod(np.array(sizes, dtype=np.float64))) > LARGEST_INPUT:
        raise Refused("unsupported-input", f"the {role} {value.name} has more than {LARGEST_INPUT} elements")
    return Tensor(value.name, sizes)


def draws(trained: Trained, count: int = 4) -> Iterator[dict[str, np.ndarray]]:
    """The same random inputs each time: half as images usually are, 0..1, half of a normal distribution."""
    rng = np.random.default_rng(20240229)
    for number in range(count):
        draw = rng.random if number % 2 else rng.standard_normal
        yield {t.name: draw(t.shape, dtype=np.float32) for t in trained.inputs}
