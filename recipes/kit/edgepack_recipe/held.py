"""A converted model's outputs held to the trained model's: by shape, cosine and largest difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .refused import Refused

COSINE = {"fp32": 0.9999, "fp16": 0.999, "bf16": 0.999}
# A single number's cosine is always 1 or -1, so the difference is held as well, relative to
# max(1, |reference|max): half precision has 11 significant bits, and rounding adds up over layers.
MAX_ABS = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 1e-1}


def hold(
    tool: str, precision: str, pairs: Iterable[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]
) -> dict[str, dict[str, Any]]:
    """Numbers by output. pairs: what the converted and the trained model give for the same sample.

    Raises Refused where an output is missing, has another shape or is not finite; in floating point also
    where it is not near. Integers are only told: on random numbers they say little, and the gate is the
    project's, on its own data.
    """
    found: dict[str, dict[str, Any]] = {}
    used = 0
    for given, wanted in pairs:
        if all(np.isfinite(value).all() for value in wanted.values()):
            used += 1
            for name, value in wanted.items():
                _add(found.setdefault(name, {}), _same_shape(tool, name, given, value), value)
    if not used:
        what = "the trained model itself gives no finite number on random inputs"
        why = "it overflows, divides by zero, or takes the root or logarithm of what may be negative"
        raise Refused("parity", what, why)
    for numbers in found.values():
        numbers["mean_abs"] /= used
        numbers["ok"] = _near(numbers, precision)
    bad = [name for name, numbers in found.items() if not numbers["ok"]]
    if bad:
        raise _differs(tool, precision, bad[0], found)
    return found


def _same_shape(tool: str, name: str, given: Mapping[str, np.ndarray], wanted: np.ndarray) -> np.ndarray:
    if name not in given:
        raise Refused("converter-failed", f"{tool} gives no output {name}", "it was lost in the conversion")
    shape = np.asarray(given[name]).shape
    if shape != wanted.shape:
        raise Refused(
            "parity",
            f"the output {name} has another shape after conversion",
            why=f"{tool} gives {list(shape)}, ONNX Runtime {list(wanted.shape)}",
        )
    return np.asarray(given[name])


def _add(numbers: dict[str, Any], given: np.ndarray, wanted: np.ndarray) -> None:
    a, b = given.ravel().astype(np.float64), wanted.ravel().astype(np.float64)
    # np.minimum and np.maximum keep a NaN, where min, max and np.fmax hide it
    numbers["cosine_min"] = float(np.minimum(numbers.get("cosine_min", 1.0), cosine(a, b)))
    numbers["max_abs"] = float(np.maximum(numbers.get("max_abs", 0.0), np.abs(a - b).max(initial=0)))
    numbers["mean_abs"] = numbers.get("mean_abs", 0.0) + float(np.abs(a - b).mean() if a.size else 0)
    largest = float(np.abs(b).max(initial=0))
    numbers["max_reference"] = max(numbers.get("max_reference", 0.0), largest)


def _near(numbers: Mapping[str, Any], precision: str) -> bool:
    """False for NaN too."""
    if precision not in COSINE:
        return bool(np.isfinite(numbers["cosine_min"]) and np.isfinite(numbers["max_abs"]))
    near = numbers["max_abs"] <= MAX_ABS[precision] * max(1.0, numbers["max_reference"])
    return bool(near and numbers["cosine_min"] >= COSINE[precision])


def _differs(tool: str, precision: str, first: str, found: Mapping[str, Mapping[str, Any]]) -> Refused:
    rows = [
        f"{name}: cosine {n['cosine_min']:.6f}, largest difference {n['max_abs']:.3g}"
        for name, n in found.items()
    ]
    if precision in COSINE:
        rows.append(f"needed for {precision}: cosine {COSINE[precision]}, difference {MAX_ABS[precision]}")
    return Refused(
        "parity",
        f"the converted model does not compute what the trained one does ({first})",
        why=f"{tool} took some operator for another, or a number overflows in {precision}",
        fix="simplify the model (onnxslim), or export it at opset 13; the outputs in the order of the model "
        "show where it begins",
        detail="\n".join(rows),
    )


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """1.0 where both are all zeros, 0.0 where one is."""
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if lengths == (0.0, 0.0):
        return 1.0
    return float(a @ b) / (lengths[0] * lengths[1]) if all(lengths) else 0.0
