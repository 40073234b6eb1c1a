"""The converted model beside the trained one, on the same random inputs.

Usage: ``compare.py ONNX PARAM BIN ANSWER PRECISION``. Writes to ANSWER ``{"unknown": [layer types]}``, or
``{"error": …}``, or ``{"outputs", "layers", "parity", "warnings"}``. ncnn's blobs ``in0, in1, …`` and
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

import ncnn
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SEED = 20240229
SAMPLES = 4
COSINE = {"fp32": 0.9999, "fp16": 0.999}
# A single number's cosine is always 1 or -1, so the difference is held as well, relative to
# max(1, |reference|max): half precision has 11 significant bits, and rounding adds up over layers.
MAX_ABS = {"fp32": 1e-3, "fp16": 2e-2}


@dataclass(eq=False)
class Refused(Exception):
    """Why the result is not good: the report's ``error``."""

    kind: str
    what: str
    why: str = ""
    fix: str = ""
    detail: str = ""


@dataclass
class Output:
    """One output over all samples. cosine is the least, max_abs the largest difference."""

    tensor: str
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
        self.mean_abs += float(np.abs(a - b).mean()) / SAMPLES
        self.max_reference = max(self.max_reference, float(np.abs(b).max(initial=0)))

    def holds(self, precision: str) -> bool:
        """False for NaN too."""
        near = self.max_abs <= MAX_ABS[precision] * max(1.0, self.max_reference)
        return self.cosine >= COSINE[precision] and near

    def parity(self, precision: str) -> dict[str, Any]:
        numbers = {"cosine_min": self.cosine, "max_abs": self.max_abs, "mean_abs": self.mean_abs}
        known = {k: v if np.isfinite(v) else None for k, v in numbers.items()}
        return {**known, "max_reference": self.max_reference, "ok": self.holds(precision)}


def main(onnx: Path, param: Path, weights: Path, answer: Path, precision: str) -> None:
    layers = layer_types(param)
    unknown = [layer for layer in layers if ncnn.layer_to_index(layer) < 0]
    try:
        found = {"unknown": unknown} if unknown else compare(onnx, (param, weights), precision)
    except Refused as refused:
        found = {"error": dict(vars(refused))}
    answer.write_text(json.dumps({**found, "layers": layers}))


def layer_types(param: Path) -> list[str]:
    """The types in a .param: a magic line, a line of counts, then a line a layer, its type first."""
    lines = param.read_text(errors="replace").splitlines()[2:]
    return sorted({line.split()[0] for line in lines if line.strip()})


def compare(onnx: Path, converted: tuple[Path, Path], precision: str) -> dict[str, Any]:
    """Outputs, parity and warnings of a good conversion. Raises Refused."""
    session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    net = load(converted, precision)
    outputs = [Output(o.name) for o in session.get_outputs()]
    names = [o.tensor for o in outputs]
    used = 0
    for inputs in samples(session):
        wanted = session.run(names, inputs)
        if not all(np.isfinite(w).all() for w in wanted):
            continue
        used += 1
        given = answers(net, list(inputs.values()), len(names))
        for output, ours, theirs in zip(outputs, given, wanted, strict=True):
            output.add(ours, theirs)
    if not used:
        what = "the trained model itself gives no finite number on random inputs"
        why = "it overflows, divides by zero, or takes the root or logarithm of what may be negative"
        raise Refused("parity", what, why)
    _hold(outputs, precision)
    unfinished = [f"{SAMPLES - used} of {SAMPLES} random inputs gave no finite reference"]
    return {
        "outputs": [{"name": f"out{i}", "tensor": o.tensor, "shape": o.shape} for i, o in enumerate(outputs)],
        "parity": {o.tensor: o.parity(precision) for o in outputs},
        "warnings": unfinished if used < SAMPLES else [],
    }


def load(converted: tuple[Path, Path], precision: str) -> ncnn.Net:
    """The model as a box of that precision runs it. Raises Refused."""
    net = ncnn.Net()
    half = precision == "fp16"
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = half
    net.opt.use_fp16_arithmetic = half
    param, weights = converted
    if net.load_param(str(param)) != 0 or net.load_model(str(weights)) != 0:
        raise Refused("converter-failed", "ncnn cannot load what pnnx wrote")
    return net


def samples(session: ort.InferenceSession) -> Iterator[dict[str, Floats]]:
    """By input name: half of them as images usually are, 0..1, half of a normal distribution."""
    rng = np.random.default_rng(SEED)
    for number in range(SAMPLES):
        draw = rng.random if number % 2 else rng.standard_normal
        yield {i.name: draw(i.shape, dtype=np.float32) for i in session.get_inputs()}


def answers(net: ncnn.Net, inputs: list[Floats], outputs: int) -> list[Floats]:
    """Every output for one sample, fed as the program on the box does it: without the batch of 1."""
    extractor = net.create_extractor()
    for number, value in enumerate(inputs):
        extractor.input(f"in{number}", ncnn.Mat(np.ascontiguousarray(value[0])).clone())
    found = []
    for number in range(outputs):
        code, mat = extractor.extract(f"out{number}")
        if code != 0:
            raise Refused("converter-failed", f"ncnn cannot compute the output number {number}")
        found.append(np.array(mat, dtype=np.float32))
    return found


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
