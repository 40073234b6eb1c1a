"""What the box itself converts while a release is staged (``run: box``): the model, and the steps as data.

``model/on-box.json`` holds the steps of the recipe, rendered as far as is known here. What only the box
knows stands in it as ``@RELEASE@``, ``@OUT@`` (where the results go), ``@WORK@`` (thrown away afterwards),
``@SDK@`` and ``@ENV:NAME@`` (a variable of the box's). An argument with ``if_help`` is for a program whose
``--help`` says it (after a ``!``: does not).
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.catalog.sdk import SdkStep
from edgepack.convert import onnx_signature, sdk_calibration
from edgepack.convert.onnx_signature import Signature
from edgepack.convert.recipe import Converted, Request
from edgepack.convert.sdk import refuse, report
from edgepack.convert.sdk_calibration import Samples
from edgepack.convert.sdk_find import Toolkit
from edgepack.convert.sdk_words import Place, Words, words_of

FORMAT = 2
STEPS, FOLDER, MODEL = "on-box.json", "on-box", "model.onnx"
RELEASE, OUT, WORK, SDK = Path("@RELEASE@"), Path("@OUT@"), Path("@WORK@"), Path("@SDK@")
_THERE = RELEASE / "model" / FOLDER


def pack(recipe: Recipe, request: Request) -> Converted:
    """Write the model, the steps, their scripts and samples to ``out``. Raises ModelError or InputError."""
    signature = onnx_signature.read(request.model)
    out = request.out
    files = {MODEL: out / MODEL, STEPS: out / STEPS}
    shutil.copyfile(request.model, files[MODEL])
    samples = _samples(recipe, request, signature)
    user = {name: f"@ENV:{name}@" for name in (recipe.about.sdk.user_env if recipe.about.sdk else [])}
    toolkit = Toolkit(SDK, {}, "the box")
    place = Place(toolkit, WORK, signature.inputs, signature.outputs, samples, user=user)
    refuse(recipe, request, place)
    asked = dataclasses.replace(request, model=RELEASE / "model" / MODEL, out=OUT)
    said = Words(recipe, asked, place)
    active = [step for step in recipe.about.steps if said.true(step.when)]
    for script in {step.script for step in active if step.script}:
        (out / FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(recipe.folder / script, out / FOLDER / script)
    steps = [_step(recipe, step, said) for step in active]
    body = _body(recipe, steps, said)
    files[STEPS].write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")
    beside = sorted(p for p in (out / FOLDER).rglob("*") if p.is_file())
    files |= {p.relative_to(out).as_posix(): p for p in beside}
    makes = [made for step in steps for made in (*step["makes"], *step["keeps"])]
    return Converted(files, {**report(recipe, request, signature, list(files)), "on_box": {"makes": makes}})


def _body(recipe: Recipe, steps: list[dict[str, Any]], said: Words) -> dict[str, Any]:
    about, sdk = recipe.about, recipe.about.sdk
    assert sdk is not None, recipe.id
    found = {
        "places": list(sdk.box),
        "finds": list(sdk.finds),
        "variable": sdk.variable,
        "from": sdk.from_,
        "facts": [fact.model_dump(exclude={"source"}) for fact in sdk.facts],
        "env": {name: said.text(template) for name, template in sdk.env.items()},
        "sees": list(sdk.user_env),
    }
    return {
        "format": FORMAT,
        "recipe": recipe.id,
        "runtime": about.to,
        "tool": about.tool,
        "versions": sdk.versions,
        "memory_mb": about.memory_mb,
        **found,
        "steps": steps,
        "errors": [known.model_dump() for known in about.errors],
    }


def _samples(recipe: Recipe, request: Request, signature: Signature) -> Samples | None:
    """Calibration samples for the box, listed by paths from the list's own folder on."""
    if request.calibration is None:
        return None
    folder = request.out / FOLDER / "calibration"
    wanted = recipe.about.sdk.calibration if recipe.about.sdk else None
    names = [tensor.name for tensor in signature.inputs]
    made = sdk_calibration.export(request.calibration, names, wanted, folder)
    made.list.write_text(made.list.read_text().replace(f"{folder}/", ""))
    return Samples(_THERE / "calibration", _THERE / "calibration" / made.list.name, made.count)


def _step(recipe: Recipe, step: SdkStep, said: Words) -> dict[str, Any]:
    script = [{"words": [str(_THERE / step.script)]}] if step.script else []
    args = [
        {"words": list(words_of(a, said)), **({"if_help": a.if_help} if a.if_help else {})} for a in step.args
    ]
    return {
        "program": step.program,
        "args": [*script, *(arg for arg in args if arg["words"])],
        "env": {name: said.text(template) for name, template in step.env.items()},
        "writes": {name: said.file(template) for name, template in step.renders.items()},
        "makes": [said.text(made) for made in step.makes],
        "keeps": {name: said.text(where) for name, where in step.keeps.items()},
        "leaves": [said.text(left) for left in step.leaves],
        "fails_on": list(step.fails_on),
        "says": list(step.says),
        "timeout_s": step.timeout_s or recipe.about.timeout_s,
    }
