"""Models run on the same random inputs by ONNX Runtime: do they compute the same, and what shapes?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from edgepack_recipe import Refused
from graph import shown

SEED = 20240229
SAMPLES = 4
# fp32 sums in another order: 24 significant bits, over many layers
ROUNDING = 1e-4  # of max(1, |reference|max)
COSINE = 0.99999

Feeds = dict[str, np.ndarray]


def session(data: bytes, optimised: bool = True) -> ort.InferenceSession:
    """On this host's processor."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def random_inputs(of: ort.InferenceSession, count: int = SAMPLES) -> Iterator[Feeds]:
    """By input name: floats half as images usually are, 0..1, half of a normal distribution; integers and
    booleans 0 and 1, which are in range for most that is looked up."""
    rng = np.random.default_rng(SEED)
    for number in range(count):
        draw = rng.random if number % 2 else rng.standard_normal
        feeds = {}
        for value in of.get_inputs():
            if value.type in ("tensor(float)", "tensor(float16)", "tensor(double)"):
                feeds[value.name] = draw(value.shape, dtype=np.float32).astype(numpy_type(value.type))
            else:
                feeds[value.name] = rng.integers(0, 2, value.shape).astype(numpy_type(value.type))
        yield feeds


def numpy_type(of: str) -> np.dtype[Any]:
    """ONNX Runtime's ``tensor(float)`` in NumPy's words. Raises Refused where NumPy has none."""
    names = {"float": "float32", "double": "float64"}
    inner = of[len("tensor(") : -1]
    try:
        return np.dtype(names.get(inner, inner))
    except TypeError:
        raise Refused("unsupported-input", f"an input is {shown(of)}, which cannot be fed") from None


@dataclass(frozen=True)
class Reference:
    """Random inputs on which a model gives finite numbers, and those numbers."""

    names: tuple[str, ...]
    feeds: tuple[Feeds, ...]
    wanted: tuple[list[np.ndarray], ...]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Reference:
        """Raises Refused where the model cannot be computed, or gives no finite number at all."""
        running = session(model.SerializeToString())
        names = tuple(o.name for o in running.get_outputs())
        feeds, wanted, complaint = [], [], ""
        for inputs in random_inputs(running):
            try:
                outputs = running.run(list(names), inputs)
            except Exception as wrong:  # noqa: BLE001 - a class of ONNX Runtime's for each status code
                complaint = str(wrong)[:1500]
                continue
            if all(_finite(o) for o in outputs):
                feeds.append(inputs)
                wanted.append(outputs)
        if not feeds:
            what = "the trained model itself gives no finite number on random inputs"
            why = "it overflows, divides by zero, or takes the root or logarithm of what may be negative"
            if complaint:
                what, why = "ONNX Runtime cannot compute the model on random inputs", "see what it says"
            raise Refused("parity", what, why, "look at the layers before the output", complaint)
        return cls(names, tuple(feeds), tuple(wanted))

    def differs(self, model: onnx.ModelProto) -> str:
        """Empty where that model computes the same to fp32's rounding, else where it does not."""
        try:
            running = session(model.SerializeToString())
            if tuple(o.name for o in running.get_outputs()) != self.names:
                return "its outputs have other names"
            answers = [running.run(list(self.names), feeds) for feeds in self.feeds]
        except Exception as wrong:  # noqa: BLE001
            return str(wrong)[:500]
        for given, wanted in zip(answers, self.wanted, strict=True):
            for name, ours, theirs in zip(self.names, given, wanted, strict=True):
                words = difference(ours, theirs)
                if words:
                    return f"{shown(name)}: {words}"
        return ""


def difference(ours: Any, theirs: Any) -> str:
    """Empty where two outputs are the same to rounding."""
    if np.shape(ours) != np.shape(theirs):
        return f"its shape is {list(np.shape(ours))} and was {list(np.shape(theirs))}"
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.dtype.kind != "f":
        return "" if np.array_equal(a, b) else "its values differ"
    apart = float(np.abs(a - b).max(initial=0))
    bound = ROUNDING * max(1.0, float(np.abs(b).max(initial=0)))
    return "" if apart <= bound else f"differs by {apart:.3g}, more than rounding ({bound:.3g})"


def computed_shapes(model: onnx.ModelProto, names: Sequence[str]) -> dict[str, tuple[int, list[int]]]:
    """Tensor → (ONNX element type, shape), where two samples agree."""
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    there = {o.name for o in tapped.graph.output}
    tapped.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in there)
    running = session(tapped.SerializeToString(), optimised=False)
    seen: list[dict[str, Any]] = []
    for feeds in random_inputs(running, 2):
        seen.append(dict(zip(names, running.run(list(names), feeds), strict=True)))
    first, second = seen
    kind = onnx.helper.np_dtype_to_tensor_dtype
    return {
        name: (kind(value.dtype), list(value.shape))
        for name, value in first.items()
        if isinstance(value, np.ndarray) and value.shape == second[name].shape
    }


def _finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
