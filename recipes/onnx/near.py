"""How near two sets of outputs are. Asked with the options ``{"given": npz, "wanted": npz}``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe import Refused, Request, tensors


def near(request: Request) -> dict[str, Any]:
    """By output: ``cosine`` (the least of all samples), ``max_abs``, ``mean_abs``, ``max_reference``.

    ``worst`` is the number of the sample with the least cosine.
    """
    given = tensors.load(Path(request.options["given"]))
    wanted = tensors.load(Path(request.options["wanted"]))
    outputs = {name: _row(given[name], wanted[name]) for name in wanted if name in given}
    lacking = sorted(wanted.keys() - given.keys())
    if lacking:
        raise Refused("parity", f"the converted model gives no {', '.join(lacking)}")
    (request.out / "near.json").write_text("{}\n")
    return {"files": ["near.json"], "outputs": outputs}


def _row(given: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """An output of another size is as far as can be."""
    try:
        return distance(given, wanted)
    except Refused:
        far = {"cosine": -1.0, "max_abs": float("inf"), "mean_abs": float("inf"), "worst": 0}
        return {**far, "max_reference": float(np.abs(wanted).max()), "samples": min(len(given), len(wanted))}


def distance(given: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """Of N samples each, as many as both have. Raises Refused where a sample has another size.

    Two zero vectors point the same way; a zero and another do not; NaN is as far as can be.
    """
    count = min(len(given), len(wanted))
    a = given[:count].reshape(count, -1).astype(np.float64)
    b = wanted[:count].reshape(count, -1).astype(np.float64)
    if a.shape != b.shape:
        raise Refused("parity", f"an output has {a.shape[1]} values a sample, and {b.shape[1]} were trained")
    lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    product = lengths[0] * lengths[1]
    both_zero = (lengths[0] == 0) & (lengths[1] == 0)
    cosine = np.where(both_zero, 1.0, (a * b).sum(1) / np.where(product == 0, 1.0, product))
    finite = bool(np.isfinite(a).all())
    return {
        "cosine": float(cosine.min()) if finite else -1.0,
        "max_abs": float(np.abs(a - b).max()) if finite else float("inf"),
        "mean_abs": float(np.abs(a - b).mean()) if finite else float("inf"),
        "max_reference": float(np.abs(b).max()),
        "worst": int(cosine.argmin()) if finite else int(np.argmin(np.isfinite(a).all(1))),
        "samples": count,
    }
