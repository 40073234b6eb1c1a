"""The digits model and its data for chips' recipes: converted, simulated, held to what was trained."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepack.catalog import recipes
from edgepack.convert.recipe import Converted, Request, Simulation, convert, simulate

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
LENET = DIGITS / "model" / "lenet.onnx"

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Held:
    """What came out, on inputs that were not calibrated with."""

    converted: Converted
    outputs: Arrays
    wanted: NDArray[np.float32]

    @property
    def cosine(self) -> float:
        """The least of any sample."""
        a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (self.outputs["logits"], self.wanted))
        return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())

    @property
    def agreement(self) -> float:
        """Part of the samples with the trained model's class."""
        return float((self.outputs["logits"].argmax(1) == self.wanted.argmax(1)).mean())


@dataclass(frozen=True)
class Board:
    """A recipe, and a folder for what it leaves."""

    recipe: str
    folder: Path
    model: Path = LENET
    samples: int = 16

    def convert(self, precision: str, chip: str | None, **more: Any) -> Converted:
        """Raises what ``edgepack.convert.recipe.convert`` raises."""
        out = self.folder / f"{chip}-{precision}"
        out.mkdir(parents=True)
        calibrated = more.pop("calibrated", precision not in ("fp32", "fp16", "bf16"))
        calibration = digits(self.folder, self.samples)[0] if calibrated else None
        request = Request(self.model, precision, out, chip=chip, calibration=calibration, **more)
        return convert(self.known, request, self.folder / "log.txt", lambda _line: None)

    def simulate(self, converted: Converted, chip: str | None, taps: tuple[str, ...] = ()) -> Arrays:
        """Outputs by name, and taps."""
        calibration, inputs, _ = digits(self.folder, self.samples)
        model = next(iter(converted.files.values())).parent
        out = model / "simulated"
        out.mkdir(exist_ok=True)
        asked = Simulation(
            *(model, converted.report, inputs, out, chip, taps), trained=self.model, calibration=calibration
        )
        done = simulate(self.known, asked, self.folder / "log.txt", lambda _line: None)
        with np.load(done.files["outputs.npz"]) as found:
            return {name: found[name] for name in found.files}

    def held(self, precision: str, chip: str | None, **more: Any) -> Held:
        """Converted, then computed by the recipe's simulator on the golden inputs."""
        converted = self.convert(precision, chip, **more)
        return Held(converted, self.simulate(converted, chip), digits(self.folder, self.samples)[2])

    @property
    def known(self) -> recipes.Recipe:
        return recipes.load_all(None)[self.recipe]


def digits(folder: Path, samples: int) -> tuple[Path, Path, NDArray[np.float32]]:
    """``calibration.npz``, ``inputs.npz``, and what the trained model gives for these."""
    calibration, inputs = folder / "calibration.npz", folder / "inputs.npz"
    with np.load(DIGITS / "data" / "golden.npz") as golden:
        raw, wanted = golden["input"], golden["output.logits"]
    if not inputs.exists():
        folder.mkdir(parents=True, exist_ok=True)
        prepared = runpy.run_path(str(DIGITS / "train" / "pipeline.py"))["prepare"](raw)
        np.savez(calibration, image=prepared[samples:])
        np.savez(inputs, image=prepared[:samples])
    return calibration, inputs, wanted[:samples]
