"""``edgepack recipes check``: one recipe on a small trained network, in every precision, on every chip."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.recipes import Recipe
from edgepack.convert import sdk, sdk_box, sdk_find
from edgepack.convert.recipe import Converted, Request, Simulation, convert, simulate
from edgepack.errors import EdgepackError
from edgepack.manifest.model import Parity
from edgepack.plan.gates import gates_for

# In recipes/onnx/check: a trained LeNet-5, inputs of its own, and what ONNX Runtime makes of them.
MODEL, INPUTS, OUTPUTS = "model.onnx", "inputs.npz", "outputs.npz"
CALIBRATION = "calibration.npz"  # where a network has inputs besides; else its inputs


@dataclass(frozen=True)
class Case:
    """One precision on one chip; None where the recipe does not ask for a chip."""

    precision: str
    chip: str | None

    def __str__(self) -> str:
        return f"{self.precision} on {self.chip}" if self.chip else self.precision


@dataclass(frozen=True)
class Shown:
    """What came of a case.

    state: in the words for proof; cosine: the least of all outputs and samples; seconds, peak_mb: the
    converter's, processor time where its tool tells it.
    """

    case: Case
    ok: bool
    state: str
    cosine: float | None = None
    bytes: int = 0
    seconds: float = 0.0
    peak_mb: int = 0
    why: str = ""


@dataclass(frozen=True)
class Bench:
    """What a check works with.

    prepare: ``recipes/onnx``, the reference; keys: the manifest's `sdk:`; network: a folder with
    ``model.onnx``, ``inputs.npz``, ``outputs.npz`` and perhaps ``calibration.npz``, where it is to be another
    than the shipped one.
    """

    prepare: Recipe
    log: Path
    progress: Callable[[str], None]
    keys: Mapping[str, str]
    network: Path | None = None

    @property
    def folder(self) -> Path:
        return self.network or self.prepare.folder / "check"

    @property
    def calibration(self) -> Path:
        own = self.folder / CALIBRATION
        return own if own.is_file() else self.folder / INPUTS


def cases(recipe: Recipe) -> Iterator[Case]:
    """All that the recipe says it can."""
    for chip in recipe.about.chips or [None]:
        for precision in recipe.precisions_for(chip):
            yield Case(precision, chip)


def check(recipe: Recipe, case: Case, bench: Bench) -> Shown:
    """Convert the network and hold it to ONNX Runtime, as far as this host can; the recipe lacks nothing."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgepack-check-") as temporary:
        folder = Path(temporary)
        try:
            converted = _convert(recipe, case, bench, folder)
            size = sum(file.stat().st_size for file in converted.files.values())
            peak = int(converted.report.get("peak_mb") or 0)
            seconds = float(converted.report.get("cpu_s") or time.monotonic() - began)
            if recipe.about.simulator is None and recipe.about.to != "onnx":
                return Shown(
                    case, True, "by contract only", None, size, seconds, peak, "nothing here runs it"
                )
            cosine = _parity(recipe, case, bench, folder, converted)
        except EdgepackError as error:
            why = " ".join(part for part in (error.what, error.why) if part)
            return Shown(case, False, "failed", seconds=time.monotonic() - began, why=why)
    least = gates_for(Parity(), case.precision, recipe).cosine
    name = recipe.gives_back if recipe.about.simulator else "ONNX Runtime"
    state = f"verified on emulator or simulator ({name})"
    why = "" if cosine >= least else f"cosine {cosine:.5f}, and {least} is needed"
    return Shown(case, not why, state if not why else "failed", cosine, size, seconds, peak, why)


def _convert(recipe: Recipe, case: Case, bench: Bench, folder: Path) -> Converted:
    (folder / "out").mkdir()
    declared = recipe.precision(case.precision, case.chip)
    own = recipe.folder / "check"
    model = bench.folder / MODEL
    if recipe.about.from_ != "onnx":
        ends = tuple(suffix.removeprefix("*/") for suffix in recipe.about.suffixes)
        found = sorted(p for p in own.glob("*") if p.name.endswith(ends) or (p.is_dir() and _holds(p, ends)))
        if not found:
            raise EdgepackError(f"{recipe.id} brings no network in {recipe.about.from_} to be checked with")
        model = found[0]
    weights = [p for p in own.glob("*") if any(p.name.endswith(w) for w in recipe.about.weights)]
    request = Request(
        model=model,
        precision=case.precision,
        out=folder / "out",
        weights=weights[0] if weights else None,
        chip=case.chip,
        target="check",
        options={"arch": "x86_64"} if recipe.about.per_arch else {},
        calibration=bench.calibration if declared and declared.calibration else None,
    )
    if recipe.about.run == "sdk":
        toolkit = sdk_find.find(recipe, bench.keys)
        return sdk.convert(recipe, request, toolkit, bench.log, bench.progress)
    if recipe.about.run == "box":
        return sdk_box.pack(recipe, request)
    return convert(recipe, request, bench.log, bench.progress)


def _holds(folder: Path, names: tuple[str, ...]) -> bool:
    return any((folder / name).is_file() for name in names)


def _parity(recipe: Recipe, case: Case, bench: Bench, folder: Path, converted: Converted) -> float:
    """The least cosine of its outputs, beside what the framework gave when the network was kept."""
    own = recipe.folder / "check" if recipe.about.from_ != "onnx" else bench.folder
    runner = recipe if recipe.about.to != "onnx" else bench.prepare
    model, simulated, near = folder / "model", folder / "simulated", folder / "near"
    for made in (model, simulated, near):
        made.mkdir()
    for name, file in converted.files.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, model / name)
    asked = Simulation(
        model,
        converted.report,
        own / INPUTS,
        simulated,
        chip=case.chip,
        trained=bench.folder / MODEL,
        calibration=bench.calibration,
    )
    outputs = simulate(runner, asked, bench.log, bench.progress).files["outputs.npz"]
    options = {"given": str(outputs), "wanted": str((own / OUTPUTS).resolve())}
    request = Request(bench.folder / MODEL, "fp32", near, options=options)
    found = convert(bench.prepare, request, bench.log, bench.progress, "near.py").report["outputs"]
    return min(float(row["cosine"]) for row in found.values())
