"""Converts with a vendor's own programs (``run: sdk``): what they are started with is data.

``argvs`` is a function of the recipe, the request and the place alone, so that a test or a person can read
what would be run without the toolkit. An exit code is never trusted: each step's files must be there, and
its words must not be those of a failure. What comes of it is *by contract only*. Contract:
docs/design/recipes.md.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.catalog.sdk import Argument, SdkStep
from edgepack.convert import onnx_signature, sdk_calibration, sdk_find
from edgepack.convert.errors import AskedError, ConvertError
from edgepack.convert.onnx_signature import Signature
from edgepack.convert.recipe import Converted, Request
from edgepack.convert.sdk_find import Toolkit
from edgepack.convert.sdk_words import Place, Words, declared_precision, words_of
from edgepack.tools.runner import Command, Completed, command, run

PROOF = "by contract only"
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HELP_S = 60


@dataclass(frozen=True)
class Invocation:
    """One program to start, in ``Place.work``, and what must come of it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]  # all that it sees
    writes: Mapping[str, str]  # files to put into the work folder before: name → text
    makes: tuple[Path, ...]  # for the release; must be there and not empty afterwards
    leaves: tuple[Path, ...]  # for later steps; as well
    keeps: Mapping[str, str]  # file of the release's model/ → where it lies, may have a `*`
    step: SdkStep


def convert(
    recipe: Recipe,
    request: Request,
    toolkit: Toolkit,
    log: Path,
    progress: Callable[[str], None],
) -> Converted:
    """Run the recipe's steps. Raises ModelError, ConvertError, ToolError or InputError."""
    request = dataclasses.replace(
        request,
        model=_model(recipe, request.model.resolve()),
        weights=request.weights.resolve() if request.weights else None,
        out=request.out.resolve(),
    )
    signature = _signature(recipe, request)
    with tempfile.TemporaryDirectory(prefix="edgepack-sdk-") as private:
        place = _place(recipe, request, toolkit, signature, Path(private))
        refuse(recipe, request, place)
        files: dict[str, Path] = {}
        for invocation in argvs(recipe, request, place):
            progress(f"{recipe.about.tool}: {Path(invocation.argv[0]).name}")
            done = _start(recipe, invocation, place, log)
            _judge(recipe, request, invocation, done)
            files |= _collect(recipe, request, invocation)
    if not files:
        raise ConvertError(f"{recipe.id} wrote no file", where=request.model.name)
    return Converted(files, report(recipe, request, signature, list(files)))


def argvs(recipe: Recipe, request: Request, place: Place) -> list[Invocation]:
    """What would be run, in order. Raises ToolError where a program of a step is not here."""
    said = Words(recipe, request, place)
    return [_invocation(recipe, step, said, place) for step in recipe.about.steps if said.true(step.when)]


def refuse(recipe: Recipe, request: Request, place: Place) -> None:
    """Raises AskedError for what the recipe says that its toolkit cannot do."""
    declared = declared_precision(recipe, request)
    if declared is not None and declared.calibration and request.calibration is None:
        raise AskedError(
            f"{recipe.id} needs calibration data for {request.precision}",
            where=request.model.name,
            fix="add `calibration:` under `model:` in edgepack.yaml",
        )
    if recipe.about.chips and recipe.chip(request.chip) is None:
        known = ", ".join(recipe.about.chips)
        raise AskedError(
            f"{recipe.id} does not know the chip {request.chip}",
            where=request.model.name,
            why=f"it has: {known}",
            fix="add `chip` to the facts of the target, or the chip to a copy of the recipe in your project",
        )
    if request.keep and not (declared and declared.mixed):
        raise AskedError(
            f"{recipe.id} cannot keep single layers in floating point",
            where=request.model.name,
            fix="leave `keep` out, or take another precision",
        )
    said = Words(recipe, request, place)
    for refusal in recipe.about.sdk.refuses if recipe.about.sdk else []:
        if said.true(refusal.when):
            raise AskedError(
                said.text(refusal.what), where=request.model.name, why=refusal.why, fix=refusal.fix
            )


def report(recipe: Recipe, request: Request, signature: Signature, files: list[str]) -> dict[str, Any]:
    """What ``convert`` answers. Names are the ONNX ones; runtimes that number tensors keep the order."""
    sdk = recipe.about.sdk
    fed = sdk.inputs if sdk else None
    layout, dtype = (fed.layout, fed.dtype) if fed else ("NCHW", None)
    inputs = []
    for tensor in signature.inputs:
        n, *rest = tensor.shape
        turned = layout == "NHWC" and len(rest) == 3
        inputs.append(
            {
                "name": tensor.name,
                "tensor": tensor.name,
                "shape": [n, *rest[1:], rest[0]] if turned else list(tensor.shape),
                "dtype": dtype or tensor.dtype,
                "layout": "NHWC" if turned else "NCHW",
            }
        )
    return {
        "ok": True,
        "files": sorted(files),
        "inputs": inputs,
        "outputs": [{"name": t.name, "tensor": t.name, "shape": list(t.shape)} for t in signature.outputs],
        "layers": [],
        "operators": signature.operators,
        "tool": {"name": recipe.about.tool, "version": sdk.versions if sdk else ""},
        "warnings": [],
        "kept": [],
        "proof": PROOF,
    }


def _invocation(recipe: Recipe, step: SdkStep, said: Words, place: Place) -> Invocation:
    sdk = recipe.about.sdk
    program = place.toolkit.programs.get(step.program)
    if program is None:
        raise sdk_find.absent(recipe, step.program)
    script = [str(recipe.folder / step.script)] if step.script else []
    words = [word for a in step.args for word in _argument(a, said, place.helps.get(step.program, ""))]
    templates = {**(sdk.env if sdk else {}), **step.env}
    folders = [said.text(folder) for folder in (sdk.path if sdk else [])]
    env = {
        "HOME": str(place.work.parent / "home"),
        "TMPDIR": str(place.work.parent / "tmp"),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        **place.user,
        **{name: said.text(template) for name, template in templates.items()},
        "PATH": ":".join(
            dict.fromkeys([*folders, str(program.parent), "/usr/local/bin", "/usr/bin", "/bin"])
        ),
    }
    return Invocation(
        argv=(str(program), *script, *words),
        env=env,
        writes={name: said.file(template) for name, template in step.renders.items()},
        makes=tuple(Path(str(said.names["out"])) / said.text(made) for made in step.makes),
        leaves=tuple(Path(said.text(left)) for left in step.leaves),
        keeps={name: said.text(where) for name, where in step.keeps.items()},
        step=step,
    )


def _argument(argument: Argument, said: Words, help_text: str) -> Iterator[str]:
    flag = argument.if_help.removeprefix("!")
    if flag and (flag in help_text) == argument.if_help.startswith("!"):
        return
    yield from words_of(argument, said)


def _model(recipe: Recipe, model: Path) -> Path:
    """The file itself where a folder is given that holds one of the recipe's format."""
    found = sorted(model.glob(f"*.{recipe.about.from_}")) if model.is_dir() else []
    return found[0] if len(found) == 1 else model


def _signature(recipe: Recipe, request: Request) -> Signature:
    if recipe.about.from_ == "onnx":
        return onnx_signature.read(request.model)
    return Signature((), (), {})


def _place(recipe: Recipe, request: Request, toolkit: Toolkit, signature: Signature, private: Path) -> Place:
    work = private / "work"
    for folder in (work, private / "home", private / "tmp"):
        folder.mkdir()
    samples = None
    if request.calibration is not None:
        names = [tensor.name for tensor in signature.inputs]
        wanted = recipe.about.sdk.calibration if recipe.about.sdk else None
        samples = sdk_calibration.export(request.calibration, names, wanted, private / "calibration")
    helps = {
        step.program: run(command(toolkit.programs[step.program], "--help", timeout_s=_HELP_S)).text()
        for step in recipe.about.steps
        if any(a.if_help for a in step.args) and step.program in toolkit.programs
    }
    asked = recipe.about.sdk.user_env if recipe.about.sdk else []
    user = {name: os.environ[name] for name in asked if name in os.environ}
    return Place(toolkit, work, signature.inputs, signature.outputs, samples, helps, user)


def _start(recipe: Recipe, invocation: Invocation, place: Place, log: Path) -> Completed:
    """Run one step. With the network, unlike our own recipes: licences may ask a server."""
    for name, text in invocation.writes.items():
        file = place.work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    cmd = Command(
        invocation.argv,
        cwd=place.work,
        env=invocation.env,
        only_env=True,
        timeout_s=invocation.step.timeout_s or recipe.about.timeout_s,
        memory_mb=recipe.about.memory_mb,
    )
    return run(cmd, log=log)


def _judge(recipe: Recipe, request: Request, invocation: Invocation, done: Completed) -> None:
    """Raises ConvertError where the step failed, whatever its exit code says."""
    name, said = Path(done.argv[0]).name, plain(done)
    ended = ""
    if done.timed_out:
        ended = f"{name} did not finish in {invocation.step.timeout_s or recipe.about.timeout_s} s"
    elif any(re.search(pattern, said) for pattern in invocation.step.fails_on):
        ended = f"{name} says that it failed (exit code {done.returncode})"
    elif not done.ok:
        ended = f"{name} ended with exit code {done.returncode}"
    else:
        for pattern in invocation.step.says:
            if not re.search(pattern, said):
                ended = (
                    f"{name} ended with exit code 0 and did not say {pattern!r}, as it does where it succeeds"
                )
        kept = (_kept(where) for where in invocation.keeps.values())
        for made in (*invocation.makes, *invocation.leaves, *kept):
            if made is None or not made.is_file() or made.stat().st_size == 0:
                lacking = made.name if made else " or ".join(invocation.keeps)
                ended = ended or f"{name} ended with exit code 0 and wrote no {lacking}"
    if not ended:
        return
    why, fix = "", "what it printed is in the log of this step"
    for known in recipe.about.errors:
        if re.search(known.match, said):
            why, fix = known.why, known.fix
            break
    kind = AskedError if done.timed_out else ConvertError
    raise kind(
        f"{recipe.id} failed: {ended}",
        where=request.model.name,
        why=why,
        fix=fix,
        detail=said.strip()[-1500:],
    )


def _collect(recipe: Recipe, request: Request, invocation: Invocation) -> dict[str, Path]:
    """The step's files for the release, those that it left elsewhere copied to ``out``."""
    files = {made.relative_to(request.out).as_posix(): made for made in invocation.makes}
    for name, where in invocation.keeps.items():
        source = _kept(where)
        assert source is not None, recipe.id  # or _judge had refused it
        target = request.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        files[name] = target
    return files


def _kept(where: str) -> Path | None:
    """The one file that a path with `*` fits; None where there is none, or no telling which."""
    path = Path(where)
    if "*" not in where:
        return path
    first = next(i for i, part in enumerate(path.parts) if "*" in part)
    found = sorted(Path(*path.parts[:first]).glob("/".join(path.parts[first:])))
    return found[0] if len(found) == 1 else None


def plain(done: Completed) -> str:
    """What a program printed, without colours and whatever else could do things to a terminal."""
    text = _COLOUR.sub("", done.text()).replace("\r", "\n")
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
