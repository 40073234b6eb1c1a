"""What an import recipe hands over: one ONNX file, checked, loaded, computed once, and its report.

Only for recipes whose environment has ``onnx`` and ``onnxruntime``; nothing else of the kit imports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime

from .held import hold
from .refused import Refused

NAME = "model.onnx"
MAX_BYTES = (1 << 31) - 1  # protobuf's limit

if TYPE_CHECKING:  # Python 3.8, which MXNet needs, has no such types when it runs
    Feeds = Mapping[str, np.ndarray]


def write(model: onnx.ModelProto, out: Path) -> Path:
    """``model.onnx`` in ``out``, after ONNX's own checker. Raises Refused."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as bad:  # noqa: BLE001 - the checker's errors are of many kinds, and all mean this
        what = "the model that was made is not valid ONNX"
        raise Refused("converter-failed", what, _first_line(bad), detail=str(bad)[:1500]) from None
    if model.ByteSize() > MAX_BYTES:
        raise Refused("unsupported-input", "the model is larger than 2 GB, which one ONNX file cannot hold")
    file = out / NAME
    file.write_bytes(model.SerializeToString(deterministic=True))
    return file


def session(file: Path) -> onnxruntime.InferenceSession:
    """Raises Refused where ONNX Runtime does not load what was made."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as bad:  # noqa: BLE001 - ONNX Runtime has a class for each status code
        what = "ONNX Runtime does not load the ONNX model that was made"
        raise Refused("converter-failed", what, _first_line(bad), detail=str(bad)[:1500]) from None


def draws(inputs: Mapping[str, Sequence[int]], count: int = 3) -> list[dict[str, np.ndarray]]:
    """The same float32 inputs each time: 0..1 as images usually are, and of a normal distribution."""
    rng = np.random.default_rng(20240229)
    makers = (rng.random, rng.standard_normal)
    return [
        {name: makers[n % 2](tuple(shape), dtype=np.float32) for name, shape in inputs.items()}
        for n in range(count)
    ]


def report(
    file: Path,
    tool: tuple[str, str],
    pairs: Iterable[tuple[Feeds, Feeds | None]],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The answer of an import. tool: name and version. pairs: inputs, and what the framework itself computes
    on them, or None where it is not there: then the outputs only have to be finite. Raises Refused."""
    model = onnx.load(str(file))
    reader = session(file)
    names = [value.name for value in reader.get_outputs()]
    computed, held = [], []
    for feeds, wanted in pairs:
        try:
            found = dict(zip(names, reader.run(names, dict(feeds))))  # noqa: B905 - Python 3.8
        except Exception as bad:  # noqa: BLE001 - ONNX Runtime has a class for each status code
            what = "ONNX Runtime does not compute the ONNX model that was made"
            raise Refused("converter-failed", what, _first_line(bad), detail=str(bad)[:1500]) from None
        computed.append(found)
        if wanted is not None:
            held.append((found, wanted))
    parity = hold(tool[0], "fp32", held) if held else _finite(computed)
    return {
        "files": [file.name],
        "inputs": [_described(value) for value in model.graph.input],
        "outputs": [
            {"name": name, "tensor": name, "shape": list(np.shape(computed[0][name]))} for name in names
        ],
        "operators": operators(model),
        "opset": opset(model),
        "tool": {"name": tool[0], "version": tool[1]},
        "parity": parity,
        "warnings": list(warnings),
        "kept": [],
    }


def _finite(computed: Sequence[Feeds]) -> dict[str, Any]:
    for found in computed:
        for name, value in found.items():
            if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
                what = f"the output {name} is not finite on random inputs"
                raise Refused("converter-failed", what, "a weight is not finite, or the file is damaged")
    return {}


def operators(model: onnx.ModelProto) -> dict[str, int]:
    """How many of each."""
    kinds = [node.op_type for node in model.graph.node]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def opset(model: onnx.ModelProto) -> int:
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def _described(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") else (d.dim_param or "?") for d in tensor.shape.dim]
    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    return {"name": value.name, "tensor": value.name, "shape": shape, "dtype": kind}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
