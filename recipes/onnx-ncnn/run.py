"""The converted model in ncnn on this host's processor, one sample after the other."""

from __future__ import annotations

import engine
import numpy as np
from edgepack_recipe import Refused, Simulation, tensors


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by their ONNX names, and ``tap:NAME`` for those tensors that ``convert`` found a blob of.
    Raises Refused."""
    report = simulation.report
    known = report.get("taps") or {}
    wanted = known if simulation.taps == ("*",) else [name for name in simulation.taps if name in known]
    places = {o["tensor"]: (o["name"], o["shape"]) for o in report["outputs"]}
    places.update({f"tap:{name}": (known[name]["blob"], known[name]["shape"]) for name in wanted})
    precision = "fp16" if report.get("precision") == "fp16" else "fp32"
    files = simulation.model / "model.param", simulation.model / "model.bin"
    net = engine.load(*files, precision, keep_all=bool(wanted))
    names = [value["tensor"] for value in report["inputs"]]
    found: list[dict[str, np.ndarray]] = []
    for sample in tensors.samples(simulation.inputs):
        missing = [name for name in names if name not in sample]
        if missing:
            raise Refused("unsupported-input", f"there are no values for the input {missing[0]}")
        blobs = engine.blobs(net, [sample[n] for n in names], sorted({blob for blob, _ in places.values()}))
        found.append({name: blobs[blob].reshape(shape) for name, (blob, shape) in places.items()})
    return {name: _stacked([one[name] for one in found]) for name in places}


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    """Along the batch of 1 where there is one."""
    return np.concatenate(parts) if parts[0].ndim and len(parts[0]) == 1 else np.stack(parts)
