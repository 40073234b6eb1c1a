"""ONNX to what ONNX Runtime runs best: optimised, in half precision, or with 8-bit weights and activations.

Option: ``reduce_range: false`` gives int8 weights all 8 bits, not 7. The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from edgepack_recipe import Refused, Request, tensors

METHODS = {"minmax": "MinMax", "percentile": "Percentile", "kl": "Entropy"}
PORTABLE = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # not com.microsoft.nchwc, made for one processor
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    writers = {"fp32": optimise, "fp16": halve, "int8": quantise, "int8-dynamic": quantise_weights}
    if request.precision not in writers:
        what = f"ONNX Runtime has no {request.precision}"
        raise Refused("converter-failed", what, fix="use " + ", ".join(writers))
    trained = onnx.load(str(request.model))
    check_inputs(trained, request.precision)
    file = request.work / "model.onnx"
    writers[request.precision](request, file)
    report = {**look(file, trained), **counts(file, trained), "kept": found_in(trained, request.keep)}
    shutil.move(file, request.out / file.name)
    return report


def check_inputs(model: onnx.ModelProto, precision: str) -> None:
    """Raises Refused where the model itself is in half precision and another one is asked for."""
    for value in model.graph.input:
        kind = value.type.tensor_type.elem_type
        if kind == onnx.TensorProto.FLOAT16 and precision != "fp32":
            what = f"the input {value.name} is float16 already; {precision} starts from float32"
            raise Refused("unsupported-input", what, fix="export the model in float32")


def optimise(request: Request, file: Path) -> None:
    """Constants folded, batch norms and the like taken in; nothing that only one processor has."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file)
    try:
        ort.InferenceSession(str(request.model), options, providers=["CPUExecutionProvider"])
    except Exception as wrong:  # noqa: BLE001 - a class of ONNX Runtime's for each status code
        raise failed("optimise", wrong) from None
    if not file.is_file():
        raise Refused("converter-failed", "ONNX Runtime wrote no optimised model")


def halve(request: Request, file: Path) -> None:
    """Weights and activations float16, inputs and outputs float32 as before."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    optimise(request, request.work / "optimised.onnx")
    model = onnx.load(str(request.work / "optimised.onnx"))
    keep = names_after(model, request)
    try:
        half = convert_float_to_float16(model, keep_io_types=True, node_block_list=keep)
    except Exception as wrong:  # noqa: BLE001
        raise failed("convert to float16", wrong) from None
    drop_twins(half)
    file.write_bytes(half.SerializeToString(deterministic=True))


def drop_twins(model: onnx.ModelProto) -> None:
    """The float16 converter adds the same cast again for each node that takes a tensor: one is enough, and
    ONNX Runtime refuses two of a name."""
    seen: set[str] = set()
    kept = []
    for node in model.graph.node:
        made = {name for name in node.output if name}
        if not made & seen:
            kept.append(node)
        seen |= made
    del model.graph.node[:]
    model.graph.node.extend(kept)


def quantise(request: Request, file: Path) -> None:
    """Weights and activations in 8 bits (QDQ), ranges from the calibration data."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    if request.calibration is None:
        raise Refused("unsupported-input", "int8 needs calibration data", fix="set model.calibration.data")
    asked = request.quantisation
    method = asked.get("method", "minmax")
    if method not in METHODS:
        raise Refused("converter-failed", f"no calibration method {method}", fix="use " + ", ".join(METHODS))
    symmetric = asked.get("scheme") == "symmetric"
    optimise(request, request.work / "optimised.onnx")
    optimised = onnx.load(str(request.work / "optimised.onnx"))
    try:
        quantize_static(
            optimised,
            str(file),
            Samples(request.calibration, optimised),
            quant_format=QuantFormat.QDQ,
            per_channel=asked.get("granularity", "per-channel") == "per-channel",
            reduce_range=seven_bits(request),
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=names_after(optimised, request),
            calibrate_method=getattr(CalibrationMethod, METHODS[method]),
            extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True},
        )
    except Exception as wrong:  # noqa: BLE001
        raise failed("quantise", wrong) from None


def quantise_weights(request: Request, file: Path) -> None:
    """Weights in 8 bits, activations as they come: each is measured when it is computed."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    optimise(request, request.work / "optimised.onnx")
    optimised = onnx.load(str(request.work / "optimised.onnx"))
    # ConvInteger on a CPU takes weights without a sign only
    convolution = any(node.op_type == "Conv" for node in optimised.graph.node)
    try:
        quantize_dynamic(
            optimised,
            str(file),
            per_channel=request.quantisation.get("granularity", "per-tensor") == "per-channel",
            reduce_range=not convolution and seven_bits(request),  # only weights with a sign saturate
            weight_type=QuantType.QUInt8 if convolution else QuantType.QInt8,
            nodes_to_exclude=names_after(optimised, request),
        )
    except Exception as wrong:  # noqa: BLE001
        raise failed("quantise", wrong) from None


def seven_bits(request: Request) -> bool:
    """Whether weights keep to 7 bits: x86 processors without VNNI add two products in 16 bits, and cut the
    sum off silently (ONNX Runtime's documentation, "Quantize ONNX models", on reduce_range). The host that
    measures parity may have VNNI and the box not, so it takes a word to do without."""
    return bool(request.options.get("reduce_range", True))


class Samples:
    """Calibration data as ONNX Runtime's quantiser reads it."""

    def __init__(self, file: Path, model: onnx.ModelProto) -> None:
        kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
        self.types = {n: onnx.helper.tensor_dtype_to_np_dtype(kind) for n, kind in kinds.items()}
        missing = sorted(set(kinds) - set(tensors.load(file)))
        if missing:
            raise Refused("unsupported-input", f"the calibration data has nothing for the input {missing[0]}")
        self.left: Iterator[dict[str, np.ndarray]] = tensors.samples(file)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """One sample, batch 1; None at the end."""
        sample = next(self.left, None)
        return sample and {name: sample[name].astype(kind) for name, kind in self.types.items()}

    def set_range(self, start_index: int, end_index: int) -> None:
        """Only asked of readers that calibrate in strides."""
        raise NotImplementedError


def names_after(optimised: onnx.ModelProto, request: Request) -> list[str]:
    """The names that the nodes to be kept have after optimising: their own, else that of what makes their
    output now. Raises Refused where such a node is in neither."""
    if not request.keep:
        return []
    trained = onnx.load(str(request.model))
    own = {node.name: node for node in trained.graph.node}
    there = {node.name for node in optimised.graph.node}
    maker = {name: node.name for node in optimised.graph.node for name in node.output}
    names = []
    for name in request.keep:
        if name not in own:
            raise Refused("converter-failed", f"the model has no node {name} to keep in floating point")
        now = name if name in there else maker.get(own[name].output[0])
        if now is None:  # taken into the node after it
            users = [n for n in trained.graph.node if own[name].output[0] in n.input]
            now = next((maker[o] for n in users for o in n.output if o in maker), None)
        if now is not None:
            names.append(now)
    return names


def found_in(trained: onnx.ModelProto, keep: tuple[str, ...]) -> list[str]:
    """Those of the model's nodes that were to be kept."""
    return [node.name for node in trained.graph.node if node.name in keep]


def look(file: Path, trained: onnx.ModelProto) -> dict[str, Any]:
    """Load what was written and compute it once; inputs and outputs have to be the trained model's. Raises
    Refused."""
    written = onnx.load(str(file))
    foreign = sorted({n.domain for n in written.graph.node} - set(PORTABLE))
    if foreign:
        what = f"ONNX Runtime wrote operators that only this processor has ({foreign[0]})"
        raise Refused("converter-failed", what)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as wrong:  # noqa: BLE001
        raise failed("load its own result", wrong) from None
    given, wanted = [[v.name for v in m.graph.output] for m in (written, trained)]
    if given != wanted or [i.name for i in session.get_inputs()] != [i.name for i in trained.graph.input]:
        raise Refused("converter-failed", "the converted model has other inputs or outputs than the trained")
    return {
        "files": [file.name],
        "inputs": [_described(value) for value in written.graph.input],
        "outputs": [_described(value) for value in written.graph.output],
        "layers": sorted({_label(node) for node in written.graph.node}),
        "tool": {"name": "onnxruntime", "version": version("onnxruntime")},
        "warnings": [],
    }


def counts(file: Path, trained: onnx.ModelProto) -> dict[str, Any]:
    """How many operators of each kind went in and came out."""
    both = []
    for model in (trained, onnx.load(str(file))):
        operators = [_label(node) for node in model.graph.node]
        both.append({op: operators.count(op) for op in sorted(set(operators))})
    return {"operators": both[0], "operators_after": both[1]}


def failed(verb: str, wrong: Exception) -> Refused:
    """In ONNX Runtime's own words."""
    what = f"ONNX Runtime cannot {verb} the model" if verb != "load its own result" else f"it cannot {verb}"
    return Refused("converter-failed", what, detail=f"{type(wrong).__name__}: {wrong}"[:1500])


def _described(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    shape = [d.dim_value for d in tensor.shape.dim]
    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    return {"name": value.name, "tensor": value.name, "shape": shape, "dtype": kind, "layout": _layout(shape)}


def _layout(shape: list[int]) -> str:
    return {4: "NCHW", 5: "NCDHW"}.get(len(shape), "")


def _label(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
