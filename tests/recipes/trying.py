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
from edgepack.convert.errors import ModelError
from edgepack.errors import EdgepackError

from . import nets
from .files import conv, node

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

    def opsets_written(self) -> str:
        """How its program has to state the opsets that its declaration has."""
        opsets = self.recipe.about.opsets
        assert opsets
        return f"OPSETS = ({opsets.min}, {opsets.max})"

    def program(self) -> str:
        return (self.recipe.folder / "convert.py").read_text()

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


def refused_models(folder: Path, **more: onnx.ModelProto) -> dict[str, Path]:
    """Models that recipes from ONNX do not take, and ``more``: by a name, written into ``folder``."""
    made = {
        "dynamic": conv(node("Relu", "c"), x=("x", 1, ("batch", 3, 8, 8))),
        "opset": conv(node("Relu", "c"), opset=99),
        **more,
    }
    files = {name: folder / f"{name}.onnx" for name in [*made, "cut"]}
    for name, model in made.items():
        files[name].write_bytes(model.SerializeToString())
    files["cut"].write_bytes(nets.LENET.read_bytes()[:100_000])
    return files


@dataclass(frozen=True)
class Told:
    """What users are told of a model that is refused: its kind, and words of what and fix."""

    kind: type[EdgepackError]
    words: str
    fix: str

    def of(self, refused: EdgepackError) -> None:
        """Fails where ``refused`` says something else."""
        assert isinstance(refused, self.kind)
        assert self.words in refused.what
        assert self.fix in refused.fix


def ill_formed(opsets: str) -> dict[str, Told]:
    """Of ``refused_models``, what every recipe tells in the same words; opsets: `7 to 26`."""
    return {
        "dynamic": Told(ModelError, "the input x has no fixed shape: (batch, 3, 8, 8)", "fixed shape"),
        "opset": Told(ModelError, f"has opset 99; this recipe takes {opsets}", "opset 13"),
        "cut": Told(ModelError, "is cut off", "copy it again"),
    }


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
