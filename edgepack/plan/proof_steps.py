"""The first half of a plan: from the trained model to a converted one, and the proof that it is the same.

import* → prepare → (blocks → feed) → convert → (parity); see docs/design/recipes.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.catalog.recipes import Recipe
from edgepack.catalog.runtimes import LINKED
from edgepack.manifest.model import PythonCode
from edgepack.manifest.project import Project
from edgepack.plan.gates import gates_of
from edgepack.plan.keys import make_step
from edgepack.plan.libraries import decoded
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice, Step
from edgepack.store import digest_of


def proof_steps(snapshot: Snapshot, choice: Choice, *, proof: bool) -> dict[str, Step]:
    """By slot, in order. proof: with ``parity`` also where the program will show it."""
    steps: dict[str, Step] = {}
    manifest = snapshot.project.manifest
    precision = choice.recipe.precision(choice.precision, choice.target.chip)
    assert precision is not None
    quantised = precision.calibration or manifest.model.prune is not None
    # A program that only the box can run shows nothing here.
    runs_here = LINKED.get(choice.runtime) != "box"
    shown_by_program = runs_here and choice.runtime in snapshot.here.programs and choice.part is None
    has_data = manifest.model.golden is not None and choice.prepare is not None
    proves = has_data and (proof or quantised or not shown_by_program)
    fed = precision.calibration or proves
    before = _imports(snapshot, choice, steps, fed=fed)
    if fed:
        _feed(snapshot, choice, steps)
    _converts(snapshot, choice, steps, before)
    if proves:
        steps["parity"] = _parity(snapshot, choice, steps)
    return steps


def _imports(snapshot: Snapshot, choice: Choice, steps: dict[str, Step], *, fed: bool) -> Step | None:
    """Up to a prepared ONNX model; None where the chain has none and the model's file is converted itself.

    fed: whether it will be computed here; a part of a model is then computed together with the other.
    """
    manifest = snapshot.project.manifest
    model = manifest.model
    named = (model.file, model.weights)
    inputs: dict[str, str] = {name: snapshot.files[name] for name in named if name} | dict(snapshot.weights)
    last: Step | None = None
    for recipe in choice.chain.imports:
        inputs |= {f"recipes/{recipe.id}": snapshot.digests[recipe.id]}
        asked = import_options(choice, snapshot.project, recipe)
        inputs |= {"options": digest_of(asked)} if asked else {}
        needs = (last.id,) if last else ()
        name = f"{manifest.name}/import:{recipe.id}"
        last = steps[f"import:{recipe.id}"] = make_step(snapshot, name, "import", inputs, needs)
        inputs = {"model": last.key}
    if choice.prepare is None:
        return last
    inputs |= {f"recipes/{choice.prepare.id}": snapshot.digests[choice.prepare.id]}
    needs = (last.id,) if last else ()
    steps["prepare"] = _prepare(snapshot, choice, "prepare", inputs, needs)
    if choice.other_part and fed:
        slot = f"prepare:{choice.other_part}"
        steps[slot] = _prepare(snapshot, choice, slot, inputs, needs)
    part = f":{choice.part}" if choice.part else ""
    asked = prepare_options(choice, snapshot.project, "adapt")
    if asked:
        inputs = {
            "model": steps["prepare"].key,
            "options": digest_of(asked),
            f"recipes/{choice.prepare.id}": snapshot.digests[choice.prepare.id],
        }
        needs = (steps["prepare"].id,)
        steps["adapt"] = make_step(snapshot, f"{manifest.name}/adapt{part}", "adapt", inputs, needs)
    return steps.get("adapt", steps["prepare"])


def _prepare(
    snapshot: Snapshot, choice: Choice, slot: str, inputs: Mapping[str, str], needs: tuple[str, ...]
) -> Step:
    """The model, or a part of it: targets that get the same part share the step."""
    options = prepare_options(choice, snapshot.project, slot)
    part = slot.partition(":")[2] or choice.part
    name = f"{snapshot.project.manifest.name}/prepare" + (f":{part}" if part else "")
    asked = {"options": digest_of(options)} if options else {}
    return make_step(snapshot, name, "prepare", {**inputs, **asked}, needs)


def import_options(choice: Choice, project: Project, recipe: Recipe) -> dict[str, object]:
    """What the manifest asks of a hop towards ONNX: shapes speak of the user's file, read by the first."""
    shapes = project.manifest.model.shapes
    return {"shapes": dict(shapes)} if shapes and recipe is choice.chain.recipes[0] else {}


def prepare_options(choice: Choice, project: Project, slot: str) -> dict[str, object]:
    """What the manifest asks of the ONNX model before it is converted.

    A part of it is still the trained model, which is what ``prepare`` leaves; ``adapt`` makes another of it.
    slot: ``prepare:before`` and ``prepare:after`` are for one part, whichever the target gets.
    """
    model = project.manifest.model
    asked: dict[str, object | None]
    stage, _, named = slot.partition(":")
    if stage == "prepare":
        part = named or choice.part
        asked = {
            "split": {"at": model.split.at, "part": part} if model.split and part else None,
            "shapes": dict(model.shapes) if model.shapes and not choice.chain.imports else None,
        }
    else:
        asked = {
            "prune": model.prune.model_dump() if model.prune else None,
            "simplify": model.simplify or None,
            "opset": model.opset,
        }
    return {name: value for name, value in asked.items() if value is not None}


def _feed(snapshot: Snapshot, choice: Choice, steps: dict[str, Step]) -> None:
    """The project's own `pre` and `post` as a program for this host, and what `pre` makes of the data."""
    manifest = snapshot.project.manifest
    model = manifest.model
    blocks = {
        "pre": [b.model_dump(mode="json") for b in manifest.pre],
        "post": [b.model_dump(mode="json") for b in manifest.post],
    }
    code = {b.code: snapshot.files[b.code] for b in (*manifest.pre, *manifest.post) if b.code}
    inputs = {
        "pre and post": digest_of(blocks),
        "images": digest_of([*decoded(manifest), manifest.source.most_pixels]),
        **code,
        "C and C++ files of the project": snapshot.sources,
        "templates/program": snapshot.code["templates/program"],
        "edgepack/compile": snapshot.code["edgepack/compile"],
        "arch": snapshot.here.arch,
        **_models(choice, steps),
    }
    needs: tuple[str, ...] = (steps["prepare"].id, *_other(choice, steps))
    # Targets of both parts share them; one that gets the whole model has others.
    name = f"{manifest.name}/blocks" + (":parts" if choice.part else "")
    steps["blocks"] = make_step(snapshot, name, "blocks", inputs, needs)
    data = {
        "calibration": digest_of(model.calibration.model_dump(mode="json")) if model.calibration else "none",
    }
    named = [model.golden]
    if model.calibration:
        loader = model.calibration.loader
        named += [model.calibration.data, loader.code if loader else None]
    named += [model.accuracy.data] if model.accuracy else []
    data |= {name: snapshot.files[name] for name in named if name}
    fed = {"blocks": steps["blocks"].key, "model": steps["prepare"].key, **data}
    fed |= {name: snapshot.code[name] for name in ("edgepack/convert/feed", "edgepack/model")}
    fed |= _other_key(choice, steps)
    needs = (steps["blocks"].id, steps["prepare"].id, *_other(choice, steps))
    part = f":{choice.part}" if choice.part else ""
    steps["feed"] = make_step(snapshot, f"{manifest.name}/feed{part}", "feed", fed, needs)


def _converts(snapshot: Snapshot, choice: Choice, steps: dict[str, Step], before: Step | None) -> None:
    manifest = snapshot.project.manifest
    last = before
    for recipe in choice.chain.converts:
        final = recipe is choice.recipe
        precision = hop_precision(choice, recipe.precisions_for(choice.target.chip))
        inputs: dict[str, str] = {f"recipes/{recipe.id}": snapshot.digests[recipe.id], "precision": precision}
        if last is None:
            model = manifest.model
            inputs |= {n: snapshot.files[n] for n in (model.file, model.weights) if n} | dict(
                snapshot.weights
            )
        else:
            inputs["model"] = last.key
        chip = recipe.chip(choice.target.chip)
        inputs |= {"chip": chip} if chip else {}
        inputs |= {"arch": choice.target.arch} if recipe.about.per_arch else {}
        if final and choice.options.options:
            inputs["options"] = digest_of(choice.options.options)
        needs = [last.id] if last else []
        declared = recipe.precision(precision, choice.target.chip)
        if "feed" in steps and declared is not None and declared.calibration:
            inputs |= {"calibration": steps["feed"].key, **_quantised(snapshot, choice)}
            needs += [steps["blocks"].id, *_other(choice, steps), steps["feed"].id]
        slot = "convert" if final else f"convert:{recipe.id}"
        part = f":{choice.part}" if choice.part else ""
        on = f":{chip}" if chip else ""
        on += f":{choice.target.arch}" if recipe.about.per_arch else ""
        if final and choice.options.converts_on == "here":
            on += ":here"
            known = snapshot.here.devices.get(recipe.id, {})
            inputs |= {f"{fact} on this host": said for fact, said in known.items()}
        name = f"{manifest.name}/convert:{recipe.id}:{precision}{on}{part}"
        last = steps[slot] = make_step(snapshot, name, "convert", inputs, tuple(needs))


def hop_precision(choice: Choice, there: list[str]) -> str:
    """An earlier hop gets the precision that is asked for where it has it; else it stays as it is trained."""
    return choice.precision if choice.precision in there else there[0]


def _quantised(snapshot: Snapshot, choice: Choice) -> Mapping[str, str]:
    manifest = snapshot.project.manifest
    return {
        "quantisation": digest_of(choice.options.quantisation.model_dump(mode="json")),
        "gates": digest_of(vars(gates_of(manifest, choice))),
        **_task(snapshot),
    }


def _task(snapshot: Snapshot) -> Mapping[str, str]:
    """The task's metric and its gate, the user's own function with it; its data comes by way of ``feed``."""
    accuracy = snapshot.project.manifest.model.accuracy
    if accuracy is None:
        return {"accuracy": "none"}
    own = accuracy.metric.code if isinstance(accuracy.metric, PythonCode) else None
    said = {"accuracy": digest_of(accuracy.model_dump(mode="json", exclude={"data"}))}
    return said | ({own: snapshot.files[own]} if own else {})


def _other(choice: Choice, steps: Mapping[str, Step]) -> tuple[str, ...]:
    """The step that leaves the other part of a split model; none where it is whole."""
    return (steps[f"prepare:{choice.other_part}"].id,) if choice.other_part else ()


def _models(choice: Choice, steps: Mapping[str, Step]) -> dict[str, str]:
    """The trained model by its parts, the same for whichever target gets which: `post` may name outputs."""
    if not choice.part:
        return {"model": steps["prepare"].key}
    keys = {choice.part: steps["prepare"].key, choice.other_part: steps[f"prepare:{choice.other_part}"].key}
    return {f"the part {part} the cut": keys[part] for part in ("before", "after")}


def _other_key(choice: Choice, steps: Mapping[str, Step]) -> dict[str, str]:
    if not choice.other_part:
        return {}
    return {f"the part {choice.other_part} the cut": steps[f"prepare:{choice.other_part}"].key}


def _parity(snapshot: Snapshot, choice: Choice, steps: Mapping[str, Step]) -> Step:
    manifest = snapshot.project.manifest
    inputs = {
        "converted": steps["convert"].key,
        "trained": steps["prepare"].key,
        "fed": steps["feed"].key,
        "name and version": f"{manifest.name} {manifest.version}",
        "gates": digest_of(vars(gates_of(manifest, choice))),
        **_task(snapshot),
        "edgepack/convert": snapshot.code["edgepack/convert"],
        "edgepack/model": snapshot.code["edgepack/model"],
    }
    inputs |= _other_key(choice, steps)
    named = tuple(steps[slot].id for slot in ("prepare", "blocks", "feed", "convert"))
    needs = (*named, *_other(choice, steps))
    return make_step(snapshot, f"{manifest.name}@{choice.target.id}/parity", "parity", inputs, needs)
