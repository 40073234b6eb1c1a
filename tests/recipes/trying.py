"""A recipe tried as edgepack runs it: converted, computed again, and compared with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from edgepack.catalog import recipes
from edgepack.convert import recipe as running
from edgepack.errors import EdgepackError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """A recipe, and a folder of the test's own."""

    id: str
    folder: Path

    @property
    def recipe(self) -> recipes.Recipe:
        return recipes.load_all(None)[self.id]

    def convert(
        self, model: Path, precision: str = "fp32", data: Mapping[str, Floats] | None = None, **asked: Any
    ) -> Result:
        """data: calibration, by input. asked: as the recipe's ``Request`` calls it."""
        out = self._fresh("out")
        calibration = None
        if data is not None:
            calibration = out.with_suffix(".npz")
            np.savez(calibration, allow_pickle=False, **data)
        request = running.Request(model, precision, out, calibration=calibration, **asked)
        found = running.convert(self.recipe, request, out.with_suffix(".log"), print)
        return Result(self, model, out, dict(found.report))

    def refusal(self, model: Path, precision: str = "fp32", **asked: Any) -> EdgepackError:
        """Why a model is not converted; fails where it is."""
        try:
            result = self.convert(model, precision, **asked)
        except EdgepackError as refused:
            return refused
        raise AssertionError(f"it was converted: {result.report}")

    def _fresh(self, name: str) -> Path:
        place = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        place.mkdir()
        return place


@dataclass(frozen=True)
class Result:
    """What was written, and what it computes."""

    trial: Trial
    model: Path
    out: Path
    report: dict[str, Any] = field(repr=False)

    def bytes_of(self) -> dict[str, bytes]:
        return {name: (self.out / name).read_bytes() for name in self.report["files"]}

    def size(self) -> int:
        return sum(len(data) for data in self.bytes_of().values())

    def compute(self, data: Mapping[str, Floats], taps: tuple[str, ...] = ()) -> dict[str, Floats]:
        """Outputs and taps of the converted model, (N, …) each, by the recipe's own run.py."""
        place = self.trial._fresh("computed")
        inputs = place.with_suffix(".npz")
        np.savez(inputs, allow_pickle=False, **data)
        asked = running.Simulation(self.out, self.report, inputs, place, taps=taps, trained=self.model)
        running.simulate(self.trial.recipe, asked, place.with_suffix(".log"), print)
        with np.load(place / "outputs.npz") as found:
            return {name: found[name] for name in found.files}

    def least_cosine(self, data: Mapping[str, Floats], taps: tuple[str, ...] = ()) -> dict[str, float]:
        """By output and tap, over samples, against ONNX Runtime; shapes must be the same."""
        given = self.compute(data, taps)
        wanted = reference(self.model, data, [name.removeprefix("tap:") for name in given])
        least = {}
        for name, value in given.items():
            other = wanted[name.removeprefix("tap:")]
            assert value.shape == other.shape, name
            a, b = (v.reshape(len(v), -1).astype(np.float64) for v in (value, other))
            lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            least[name] = float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-30)).min())
        return least


def reference(file: Path, data: Mapping[str, Floats], tensors: list[str]) -> dict[str, Floats]:
    """Tensors of an ONNX model by ONNX Runtime, nothing optimised: (N, …) each."""
    model = onnx.load(str(file))
    there = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in there)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    count = min(len(values) for values in data.values())
    rows = [
        session.run(tensors, {name: values[n : n + 1] for name, values in data.items()}) for n in range(count)
    ]
    return {name: np.concatenate([row[i] for row in rows]) for i, name in enumerate(tensors)}
