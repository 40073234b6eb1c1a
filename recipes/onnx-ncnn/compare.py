"""The converted model beside the trained one, on the same random inputs.

Usage: ``compare.py ONNX PARAM BIN ANSWER PRECISION``. Writes to ANSWER ``{"unknown": [layer types]}``, or
``{"error": …}``, or ``{"outputs", "layers", "parity", "taps", "warnings"}``. ncnn's blobs ``in0, in1, …`` and
``out0, out1, …`` are the ONNX graph's inputs and outputs in their order: pnnx numbers them so, and the
comparison would not hold otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine
import ncnn
import numpy as np
import onnx
import onnxruntime as ort
from blob_names import shown_equal
from edgepack_recipe import Refused
from engine import Floats
from model_file import parse
from numpy.typing import NDArray

SEED = 20240229
SAMPLES = 4
COSINE = {"fp32": 0.9999, "fp16": 0.999, "int8": 0.99}
# A single number's cosine is always 1 or -1, so the difference is held as well, relative to
# max(1, |reference|max): half precision has 11 significant bits, and rounding adds up over layers.
MAX_ABS = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.25}
TAPPED = 2  # samples


@dataclass
class Output:
    """One output over all samples. cosine is the least, max_abs the largest difference."""

    tensor: str
    samples: int
    shape: list[int] = field(default_factory=list)
    cosine: float = 1.0
    max_abs: float = 0.0
    mean_abs: float = 0.0
    max_reference: float = 0.0  # |reference|max

    def add(self, given: Floats, wanted: Floats) -> None:
        """One more sample. Raises Refused where the shapes differ in more than ones."""
        self.shape = list(wanted.shape)
        if _plain(given.shape) != _plain(wanted.shape):
            raise Refused(
                "parity",
                f"the output {self.tensor} has another shape after conversion",
                why=f"ncnn gives {list(given.shape)}, ONNX Runtime {list(wanted.shape)}: pnnx took some "
                "operator for another, often one that works on the batch dimension",
            )
        a, b = given.ravel().astype(np.float64), wanted.ravel().astype(np.float64)
        # np.fmin and np.fmax would hide a NaN, these keep it
        self.cosine = float(np.minimum(self.cosine, _cosine(a, b)))
        self.max_abs = float(np.maximum(self.max_abs, np.abs(a - b).max(initial=0)))
        self.mean_abs += float(np.abs(a - b).mean()) / self.samples
        self.max_reference = max(self.max_reference, float(np.abs(b).max(initial=0)))

    def holds(self, precision: str) -> bool:
        """False for NaN too."""
        near = self.max_abs <= MAX_ABS[precision] * max(1.0, self.max_reference)
        return self.cosine >= COSINE[precision] and near

    def parity(self, precision: str) -> dict[str, Any]:
        numbers = {"cosine_min": self.cosine, "max_abs": self.max_abs, "mean_abs": self.mean_abs}
        known = {k: v if np.isfinite(v) else None for k, v in numbers.items()}
        return {**known, "max_reference": self.max_reference, "ok": self.holds(precision)}


def main(model: Path, param: Path, weights: Path, answer: Path, precision: str) -> None:
    layers = sorted({layer.type for layer in parse(param.read_text(errors="replace"))})
    unknown = [layer for layer in layers if ncnn.layer_to_index(layer) < 0]
    try:
        found = {"unknown": unknown} if unknown else compare(model, (param, weights), precision)
    except Refused as refused:
        found = {"error": refused.as_json()}
    answer.write_text(json.dumps({**found, "layers": layers}))


def compare(model: Path, converted: tuple[Path, Path], precision: str) -> dict[str, Any]:
    """Outputs, parity, taps and warnings of a good conversion. Raises Refused."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    net = engine.load(*converted, precision)
    names = [o.name for o in session.get_outputs()]
    pairs = []
    for inputs in samples(session):
        wanted = session.run(names, inputs)
        if all(np.isfinite(w).all() for w in wanted):
            blobs = engine.blobs(net, list(inputs.values()), [f"out{k}" for k in range(len(names))])
            pairs.append((list(blobs.values()), wanted))
    if not pairs:
        what = "the trained model itself gives no finite number on random inputs"
        why = "it overflows, divides by zero, or takes the root or logarithm of what may be negative"
        raise Refused("parity", what, why)
    outputs = [Output(name, len(pairs)) for name in names]
    for given, wanted in pairs:
        for output, ours, theirs in zip(outputs, given, wanted, strict=True):
            output.add(ours, theirs)
    _hold(outputs, precision)
    unfinished = [f"{SAMPLES - len(pairs)} of {SAMPLES} random inputs gave no finite reference"]
    return {
        "outputs": [{"name": f"out{i}", "tensor": o.tensor, "shape": o.shape} for i, o in enumerate(outputs)],
        "parity": {o.tensor: o.parity(precision) for o in outputs},
        "taps": taps(model, converted, precision),
        "warnings": unfinished if len(pairs) < SAMPLES else [],
    }


def taps(model: Path, converted: tuple[Path, Path], precision: str) -> dict[str, dict[str, Any]]:
    """Which tensor of the trained model is which blob, as far as their numbers show it."""
    net = engine.load(*converted, "fp32", keep_all=True)
    layers = parse(converted[0].read_text())
    names = [name for layer in layers if layer.type not in ("Input", "Split") for name in layer.outputs]
    graph = onnx.load(model)
    made = [name for node in graph.graph.node if node.op_type != "Constant" for name in node.output if name]
    there = {o.name for o in graph.graph.output}
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made if name not in there)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    tensors, blobs = [], []
    for number, inputs in enumerate(samples(session)):
        if number == TAPPED:
            break
        values = dict(zip(made, session.run(made, inputs), strict=True))
        tensors.append(
            {n: v for n, v in values.items() if isinstance(v, np.ndarray) and v.dtype == np.float32}
        )
        blobs.append(engine.blobs(net, list(inputs.values()), names))
    return shown_equal(tensors, blobs, precision)


def samples(session: ort.InferenceSession) -> Iterator[dict[str, Floats]]:
    """By input name: half of them as images usually are, 0..1, half of a normal distribution."""
    rng = np.random.default_rng(SEED)
    for number in range(SAMPLES):
        draw = rng.random if number % 2 else rng.standard_normal
        yield {i.name: draw(i.shape, dtype=np.float32) for i in session.get_inputs()}


def _hold(outputs: list[Output], precision: str) -> None:
    bad = [o for o in outputs if not o.holds(precision)]
    if not bad:
        return
    rows = [f"{o.tensor}: cosine {o.cosine:.6f}, largest difference {o.max_abs:.3g}" for o in outputs]
    raise Refused(
        "parity",
        f"the converted model does not compute what the trained one does ({bad[0].tensor})",
        why="pnnx or ncnn took some operator for another",
        fix="simplify the model (onnxslim), or export it at opset 13; the outputs in the order of the model "
        "show where it begins",
        detail="\n".join(rows)
        + f"\nneeded for {precision}: cosine {COSINE[precision]}, difference {MAX_ABS[precision]}",
    )


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if lengths == (0.0, 0.0):
        return 1.0
    return float(a @ b) / (lengths[0] * lengths[1]) if all(lengths) else 0.0


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


if __name__ == "__main__":
    onnx_file, param_file, bin_file, answer_file = (Path(a) for a in sys.argv[1:5])
    main(onnx_file, param_file, bin_file, answer_file, sys.argv[5])
