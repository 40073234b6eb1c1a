"""The build's stage that makes model inputs of raw ones, by the very `pre` that ships."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepack.convert import parts
from edgepack.convert.errors import ConvertError, ModelError, as_input
from edgepack.convert.recipe import Request, convert
from edgepack.model import blocks, golden, heldout
from edgepack.model.blocks import Input
from edgepack.model.errors import GoldenError
from edgepack.plan.cut import cut_of, slot_of
from edgepack.plan.step import Work

FEW = 32  # calibration samples; vendors' guides ask for 20 to 200, and ranges of fewer are chance


def run(work: Work) -> str:
    """Leaves ``golden.npz``, ``calibration.npz`` and ``validation.npz``, as far as there is data for them.

    They are what this target's model takes: for the second part of a split one what the trained first part
    makes of what `pre` gives. A part's own golden vectors are ``vectors.npz``.
    """
    manifest = work.project.manifest.model
    first = slot_of(work, "before") if work.choice.part else "prepare"
    (row,) = work.result(first).report["inputs"]
    wanted = Input(str(row["tensor"]), tuple(int(size) for size in row["shape"][1:]))
    program = work.store.blob(work.result("blocks").outputs["blocks"].sha256)
    with tempfile.TemporaryDirectory(prefix="edgepack-feed-") as temporary:
        folder = Path(temporary)
        raw: dict[str, Sequence[Path]] = {
            "golden": _golden(work, folder),
            "calibration": (),
            "validation": (),
        }
        found: Mapping[str, Any] = {}
        if manifest.calibration is not None:
            raw["calibration"], found = _calibration(work, folder / "calibration")
        if manifest.accuracy is not None:
            held = heldout.load(work.project.file(manifest.accuracy.data))
            raw["validation"] = [sample.file for sample in held.samples]
        files: dict[str, Path] = {}
        for name, inputs in raw.items():
            if inputs:
                made, places = folder / f"{name}.npz", folder / f"{name}{blocks.PLACES_FILE}"
                files |= {made.name: made, places.name: places}
                work.progress(f"pre on the {name} inputs")
                blocks.pre(program, wanted, inputs, made, places)
                if work.choice.part == "after":
                    work.progress(f"the first part on the {name} inputs")
                    files[f"{name}.npz"] = parts.crossing(work, folder / f"{name}.npz", _new(folder, name))
        if work.choice.part and "golden.npz" in files:
            files[parts.VECTORS] = _vectors(work, files["golden.npz"], _new(folder, "vectors"))
        counts = {name: len(inputs) for name, inputs in raw.items() if inputs}
        work.store.put(work.step("feed").key, files, {"counts": counts, **found})
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "golden")
    return f"model inputs by the project's own pre: {said or 'golden vectors'}"


def _new(folder: Path, name: str) -> Path:
    made = folder / f"of-{name}"
    made.mkdir()
    return made


def _vectors(work: Work, inputs: Path, folder: Path) -> Path:
    """Raises GoldenError where the project's golden vectors are not of the whole model."""
    name, cut = work.project.manifest.model.golden, cut_of(work)
    assert name is not None
    assert cut is not None
    file = work.project.file(name)
    try:
        golden.check(file, cut.outputs)
    except GoldenError as error:
        error.where = f"{name} (edgepack.yaml:{work.project.document.line(('model', 'golden'))})"
        raise
    work.progress("golden vectors of the part")
    return parts.vectors(work, file, inputs, folder)


def _golden(work: Work, folder: Path) -> Sequence[Path]:
    name = work.project.manifest.model.golden
    if name is None:
        return ()
    golden.unpack(work.project.file(name), folder / "golden")
    return [folder / "golden" / "input.npy"]


def _calibration(work: Work, folder: Path) -> tuple[Sequence[Path], Mapping[str, Any]]:
    """Raw samples as files, and what is to be said of them."""
    asked, project = work.project.manifest.model.calibration, work.project
    assert asked is not None
    assert work.choice.prepare is not None
    options: dict[str, Any] = {"samples": asked.samples}
    if asked.loader is not None:
        options |= {"code": str(project.file(asked.loader.code).resolve()), "entry": asked.loader.entry}
    elif asked.data is not None:
        place = project.file(asked.data).resolve()
        options["images" if place.is_dir() else "arrays"] = str(place)
    folder.mkdir()
    request = Request(project.file(project.manifest.model.file), "fp32", folder, options=options)
    try:
        loaded = convert(work.choice.prepare, request, work.log("feed"), work.progress, "load.py")
    except (ModelError, ConvertError) as error:
        line = project.document.line(("model", "calibration"))
        named = asked.loader.code if asked.loader else asked.data
        raise as_input(error, f"{named} (edgepack.yaml:{line})") from None
    files = list(loaded.files.values())
    return files, {"warnings": _too_few(len(files), int(loaded.report["found"]))}


def _too_few(used: int, found: int) -> list[str]:
    if used >= FEW:
        return []
    there = f"{used} calibration samples" if used == found else f"{used} of {found} calibration samples"
    return [f"{there}: ranges of fewer than {FEW} are chance; give 100 or more"]
