"""The build's stages that turn the trained model into the format that the target's runtime reads."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.convert import cut_refusal, device, sdk, sdk_box, sdk_find
from edgepack.convert.cut_model import Cutter
from edgepack.convert.errors import ConvertParityError
from edgepack.convert.files import laid_out
from edgepack.convert.quantise import searches, with_search
from edgepack.convert.recipe import Converted, Request, convert
from edgepack.convert.rescue import Rescue
from edgepack.errors import EdgepackError, InputError, ToolError
from edgepack.plan.proof_steps import hop_precision, import_options, prepare_options
from edgepack.plan.step import Work

NO_CUT = "the model cannot be split"  # how recipes/onnx/split.py begins: the manifest is wrong, not the model


def run_import(work: Work) -> str:
    """One hop towards ONNX, in fp32. Raises what ``convert`` raises."""
    recipe = work.choice.recipe_at(work.slot)
    with _model(work) as (model, weights), _out() as out:
        asked = import_options(work.choice, work.project, recipe)
        request = Request(model, "fp32", out, weights=weights, options=asked)
        converted = _convert(work, recipe, request)
        _check_shapes(work, asked, converted)
        kept = _keep(work, converted)
    return f"{recipe.about.from_} → {recipe.about.to}, {kept / 1e3:,.0f} kB"


def _check_shapes(work: Work, asked: Mapping[str, Any], converted: Converted) -> None:
    """A shape that the file itself says wins over the manifest's, and must not do so silently.

    Axes are compared without their order: (N, H, W, C) inputs have become (N, C, H, W). Raises InputError.
    """
    made = {str(row["name"]): list(row["shape"]) for row in converted.report["inputs"]}
    for name, shape in asked.get("shapes", {}).items():
        if name in made and sorted(made[name]) == sorted(shape):
            continue
        document = work.project.document
        message = f"the model's input is not `{name}` of the shape {shape}"
        hint = "it has: " + ", ".join(f"`{n}` {s}" for n, s in made.items())
        raise document.wrong(document.problem(message, ("model", "shapes", name), hint))


def run_prepare(work: Work) -> str:
    """The ONNX model checked and made whole (``prepare``), then what is asked to be done to it
    (``adapt``)."""
    recipe = work.choice.recipe_at(work.slot)
    with _model(work) as (model, _), _out() as out:
        asked = prepare_options(work.choice, work.project, work.slot)
        kept = _keep(work, _convert(work, recipe, Request(model, "fp32", out, options=asked)))
    report = work.result(work.slot).report
    said = [f"{sum(report['operators'].values())} operators", f"{kept / 1e3:,.0f} kB"]
    if report.get("macs"):
        said.insert(1, f"{report['macs'] / 1e6:,.1f} M multiply-adds")
    return ", ".join([*said, *map(str, report.get("done", []))])


def run_convert(work: Work) -> str:
    """One hop from ONNX on, the last one into the runtime's format; returns a line on it."""
    choice, recipe = work.choice, work.choice.recipe_at(work.slot)
    chip = choice.target.chip
    precision = hop_precision(choice, recipe.precisions_for(chip))
    log = work.log(work.slot)
    log.unlink(missing_ok=True)
    with (
        _model(work) as (model, weights),
        _out() as out,
        _calibration(work, recipe, precision) as calibration,
    ):
        asked = choice.options.quantisation
        given = asked.model_dump(include={"scheme", "granularity", "method"}, exclude_none=True)
        request = Request(
            model=model,
            precision=precision,
            out=out,
            weights=weights,
            chip=chip,
            target=choice.target.id,
            options=_options(work, recipe),
            calibration=calibration,
            quantisation=given if calibration else {},
            keep=tuple(asked.keep),
        )
        if searches(work, recipe, request):
            converted = with_search(work, recipe, request, lambda asked: _convert(work, recipe, asked))
        else:
            converted = _convert(work, recipe, request)
        converted = _with_signature(work, converted)
        size = _keep(work, converted)
    if work.slot == "convert":
        remember_layers(work.project.folder, work.step("convert").key, converted.report)
    said = f"{recipe.about.from_} → {recipe.about.to}, {size / 1e3:,.0f} kB"
    if converted.report.get("rescued_by"):
        said += f", {converted.report['rescued_by']}"
    if converted.report.get("search"):
        said += f", {len(converted.report['search']['kept'])} layers kept in floating point"
    return said


def _with_signature(work: Work, converted: Converted) -> Converted:
    """What goes in and out of a format that nothing here reads is what the hop before said of it."""
    before = [slot for slot in work.chain if slot.startswith("convert")]
    at = before.index(work.slot)
    if converted.report.get("inputs") or converted.report.get("outputs") or at == 0:
        return converted
    told = work.result(before[at - 1]).report
    said = {name: told[name] for name in ("inputs", "outputs") if told.get(name)}
    return Converted(converted.files, {**converted.report, **said})


def _options(work: Work, recipe: Recipe) -> dict[str, Any]:
    """What the user asks of the last hop, and the architecture where the result depends on it."""
    asked = work.choice.options.options if work.slot == "convert" else {}
    return {**({"arch": work.choice.target.arch} if recipe.about.per_arch else {}), **asked}


def _convert(work: Work, recipe: Recipe, request: Request) -> Converted:
    """Run it, with its errors placed in the manifest. Raises what ``convert`` raises."""
    log = work.log(work.slot)
    try:
        if recipe.about.run == "box":
            return sdk_box.pack(recipe, request)
        ours = recipe.about.run == "python"

        def once(asked: Request) -> Converted:
            return convert(recipe, asked, log, work.progress) if ours else _by_sdk(work, recipe, asked, log)

        prepare = work.choice.prepare
        if prepare is None or not work.slot.startswith("convert") or recipe.about.from_ != "onnx":
            return once(request)
        return Rescue(prepare, recipe, once, log, work.progress).convert(request)
    except ToolError:
        raise
    except EdgepackError as error:
        split = request.options.get("split")
        if split and error.what.startswith(NO_CUT):
            document = work.project.document
            place = f"edgepack.yaml:{document.line(('model', 'split', 'at'))}"
            raise InputError(error.what, where=place, why=error.why, fix=error.fix) from None
        if isinstance(error, ConvertParityError):
            error.detail = "\n".join(filter(None, [error.detail, _first_layer(work, recipe, request)]))
        name = work.project.manifest.model.file
        error.where = f"{name} (edgepack.yaml:{work.project.document.line(('model', 'file'))})"
        raise


def _by_sdk(work: Work, recipe: Recipe, request: Request, log: Path) -> Converted:
    """With a vendor's programs, on this host's own device where the target says so."""
    toolkit = sdk_find.find(recipe, work.project.manifest.sdk, work.project.folder)
    if work.slot != "convert" or work.choice.options.converts_on == "box":
        return sdk.convert(recipe, request, toolkit, log, work.progress)
    known = device.facts(recipe, toolkit)
    device.check(recipe, known)
    made = sdk.convert(recipe, request, toolkit, log, work.progress)
    return replace(made, report={**made.report, "made_on": known})


def _first_layer(work: Work, recipe: Recipe, request: Request) -> str:
    """Which one the recipe's own comparison begins to fail at; empty where the model cannot be cut."""
    prepare = work.choice.prepare
    if prepare is None or not work.slot.startswith("convert") or recipe.about.from_ != "onnx":
        return ""
    return cut_refusal.told(Cutter(prepare, recipe, request, work.log(work.slot)), work.progress)


def _keep(work: Work, converted: Converted) -> int:
    kept = work.store.put(work.step(work.slot).key, converted.files, converted.report)
    return sum(output.size for output in kept.outputs.values())


@contextlib.contextmanager
def _model(work: Work) -> Iterator[tuple[Path, Path | None]]:
    """What goes into this slot: the project's own file, or what the slot before it left, as files."""
    slots = [s for s in work.chain if s.partition(":")[0] in ("import", "prepare", "adapt", "convert")]
    before = slots[: slots.index(work.slot)]
    # Neither part of a split model is made of the other.
    whole = work.slot.startswith("prepare")
    before = [s for s in before if not s.startswith("prepare" if whole else "prepare:")]
    model = work.project.manifest.model
    if not before:
        yield work.project.file(model.file), work.project.file(model.weights) if model.weights else None
        return
    with laid_out(work, before[-1]) as folder:
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        yield files[0] if len(files) == 1 else folder, None


@contextlib.contextmanager
def _calibration(work: Work, recipe: Recipe, precision: str) -> Iterator[Path | None]:
    declared = recipe.precision(precision, work.choice.target.chip)
    if declared is None or not declared.calibration:
        yield None
        return
    with laid_out(work, "feed") as folder:
        yield folder / "calibration.npz"


@contextlib.contextmanager
def _out() -> Iterator[Path]:
    out = Path(tempfile.mkdtemp(prefix="edgepack-out-"))
    try:
        yield out
    finally:
        shutil.rmtree(out, ignore_errors=True)


def remember_layers(folder: Path, key: str, report: Mapping[str, Any]) -> None:
    """Tell the next plan what this conversion uses, so that it picks the fitting runtime at once."""
    file = folder / ".edgepack" / "layers.json"
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        known = {}
    known = {**dict(list(known.items())[-31:]), key: list(report.get("layers") or [])}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(known))
    beside.replace(file)
