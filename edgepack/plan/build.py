"""What a build would do, decided from a snapshot alone: no file is read here, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from edgepack.catalog import ncnn_layers
from edgepack.catalog import recipes as catalog
from edgepack.catalog.ncnn_build import NcnnSpec
from edgepack.catalog.targets import Target
from edgepack.errors import UsageError
from edgepack.manifest.project import Project, TargetOptions
from edgepack.plan.gates import gates_for
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice, Plan, Step
from edgepack.store import digest_of

FORMATS = {".onnx": "onnx"}
RUNTIME_FORMATS = {"ncnn": "ncnn"}


def plan_build(snapshot: Snapshot, toolchain: str | None = None) -> Plan:
    """The plan for the snapshot's targets.

    toolchain: what the command line asks for; it wins over the manifest. Raises InputError where no
    recipe leads to a runtime of the target, or it cannot write the precision.
    """
    choices = {t.id: _choose(snapshot, t, toolchain) for t in snapshot.targets.values()}
    steps: dict[str, Step] = {}
    chains: dict[str, dict[str, str]] = {}
    for target_id, choice in choices.items():
        chain = chains[target_id] = {}
        for step in _steps(snapshot, choice):
            steps.setdefault(step.id, step)
            chain[step.stage] = step.id
    return Plan(snapshot.project, choices, steps, chains)


def _choose(snapshot: Snapshot, target: Target, toolchain: str | None) -> Choice:
    project = snapshot.project
    options = project.manifest.targets[target.id]
    shipped = f"targets/{target.file.name}"
    because = {
        "arch": f"{target.arch} ({shipped})",
        "cpu": f"{target.cpu or 'baseline'} ({shipped})",
    }

    def pick(key: str, wanted: str | None, default: str, default_from: str) -> str:
        line = project.document.line(("targets", target.id, key))
        origin = f"edgepack.yaml:{line}" if wanted else default_from
        because[key] = f"{wanted or default} ({origin})"
        return wanted or default

    runtime = pick("runtime", options.runtime, target.about.runtimes[0], shipped)
    precision = pick("precision", options.precision, target.about.precision, shipped)
    compiler = pick("toolchain", toolchain or options.toolchain, "zig", "edgepack's default")
    if toolchain:
        because["toolchain"] = f"{toolchain} (the command line)"
    _check_runtime(project, target, runtime)
    source = _format(project)
    recipe = catalog.between(dict(snapshot.recipes), source, RUNTIME_FORMATS[runtime])
    because["recipe"] = f"{recipe.id} ({source} → {recipe.about.to}, the only one there is)"
    _check_precision(project, target.id, precision, recipe)
    return Choice(target, options, recipe, runtime, precision, compiler, because)


def _format(project: Project) -> str:
    suffix = PurePosixPath(project.manifest.model.file).suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    problem = project.document.problem(
        f"edgepack has no way in for a {suffix or 'nameless'} model yet",
        ("model", "file"),
        f"export it to ONNX; formats read: {', '.join(sorted(FORMATS))}",
    )
    raise project.document.wrong(problem)


def _check_runtime(project: Project, target: Target, runtime: str) -> None:
    if runtime in RUNTIME_FORMATS and runtime in target.about.runtimes:
        return
    here = [r for r in target.about.runtimes if r in RUNTIME_FORMATS]
    problem = project.document.problem(
        f"{target.id} does not run `{runtime}`",
        ("targets", target.id, "runtime"),
        f"it runs: {', '.join(here) or 'nothing that this edgepack can build'}",
    )
    raise project.document.wrong(problem)


def _check_precision(project: Project, target_id: str, precision: str, recipe: catalog.Recipe) -> None:
    names = [p.name for p in recipe.about.precisions]
    if precision not in names:
        problem = project.document.problem(
            f"the recipe {recipe.id} cannot write {precision}",
            ("targets", target_id, "precision"),
            f"it writes: {', '.join(names)}",
        )
        raise project.document.wrong(problem)


def _steps(snapshot: Snapshot, choice: Choice) -> list[Step]:
    """The chain for one target, in order; the ids of shared steps are equal for all who share them."""
    manifest = snapshot.project.manifest
    target = choice.target
    here = f"{manifest.name}@{target.id}"
    convert = _step(
        snapshot,
        f"{manifest.name}/convert:{choice.recipe.id}:{choice.precision}",
        "convert",
        {
            manifest.model.file: snapshot.files[manifest.model.file],
            **snapshot.weights,
            f"recipes/{choice.recipe.id}": choice.recipe.digest(),
            "precision": choice.precision,
        },
    )
    runtime = _runtime_step(snapshot, choice, convert)
    compiled = _step(
        snapshot,
        f"{here}/compile",
        "compile",
        _compile_inputs(snapshot, choice, convert, runtime),
        (convert.id, runtime.id),
    )
    golden = manifest.model.golden
    # Needs are named though others have them too: with those cached, the order would be lost.
    verify = _step(
        snapshot,
        f"{here}/verify",
        "verify",
        {
            "program": compiled.key,
            golden or "golden vectors": snapshot.files[golden] if golden else "none",
            "with": snapshot.qemu.get(target.arch, "nothing here runs it"),
        },
        (convert.id, compiled.id),
    )
    package = _step(
        snapshot,
        f"{here}/package",
        "package",
        {
            "program": compiled.key,
            golden or "golden vectors": snapshot.files[golden] if golden else "none",
            "health": digest_of(manifest.health.model_dump(mode="json")),
            "edgepack/package": snapshot.code["edgepack/package"],
        },
        (convert.id, compiled.id, verify.id),
    )
    return [convert, runtime, compiled, verify, package]


def _runtime_step(snapshot: Snapshot, choice: Choice, convert: Step) -> Step:
    tier = ncnn_layers.tier(snapshot.layers.get(convert.key, ()))
    target = choice.target
    spec = NcnnSpec(target.arch, target.cpu, tier, choice.toolchain)
    inputs = {
        "arch": target.arch,
        "cpu": target.cpu or "baseline",
        "layers": tier,
        "toolchain": choice.toolchain,
        "source, options and toolchain": snapshot.runtimes[spec],
    }
    cpu = f"+{target.cpu}" if target.cpu else ""
    name = f"{choice.runtime}:{target.arch}{cpu}:{choice.toolchain}:{tier}"
    return _step(snapshot, name, "runtime", inputs)


def _compile_inputs(snapshot: Snapshot, choice: Choice, convert: Step, runtime: Step) -> Mapping[str, str]:
    manifest = snapshot.project.manifest
    blocks = {
        "pre": [b.model_dump(mode="json") for b in manifest.pre],
        "post": [b.model_dump(mode="json") for b in manifest.post],
    }
    code = {block.code: snapshot.files[block.code] for block in (*manifest.pre, *manifest.post) if block.code}
    return {
        "name and version": f"{manifest.name} {manifest.version}",
        "pre and post": digest_of(blocks),
        **code,
        "C and C++ files of the project": snapshot.sources,
        "source and sink": digest_of([manifest.source.model_dump(), manifest.sink.model_dump()]),
        "gates": digest_of(vars(gates_for(manifest.parity, choice.precision))),
        "threads": str(choice.options.threads),
        "target": choice.target.id,
        "templates/program": snapshot.code["templates/program"],
        "edgepack/compile": snapshot.code["edgepack/compile"],
        "model": convert.key,
        "runtime": runtime.key,
    }


def _step(
    snapshot: Snapshot,
    step_id: str,
    stage: str,
    inputs: Mapping[str, str],
    needs: tuple[str, ...] = (),
) -> Step:
    key = digest_of([stage, dict(inputs)])
    cached = key in snapshot.results
    why = "" if cached else _why(inputs, snapshot.previous.get(step_id))
    return Step(step_id, stage, key, inputs, needs, cached, why)


def _why(inputs: Mapping[str, str], before: Mapping[str, str] | None) -> str:
    """Why a step has to run, from what went in the last time."""
    if before is None:
        return "never done before"
    changed = [name for name, value in inputs.items() if name in before and before[name] != value]
    new = [name for name in inputs if name not in before]
    gone = [name for name in before if name not in inputs]
    parts = [
        f"{', '.join(names)} {verb}"
        for names, verb in ((changed, "changed"), (new, "is new"), (gone, "is gone"))
        if names
    ]
    return "; ".join(parts) or "its result is no longer in the cache"


def check_targets(project: Project, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The manifest's targets to build: those asked for, else all. Raises UsageError for others."""
    import difflib

    known: Mapping[str, TargetOptions] = project.manifest.targets
    for target in wanted:
        if target not in known:
            near = difflib.get_close_matches(target, known, 1, 0.7)
            told = near[0] if near else ", ".join(known)
            raise UsageError(
                f"{project.manifest.name} is not made for `{target}`",
                where=f"edgepack.yaml:{project.document.line(('targets',))}",
                why=f"did you mean `{told}`?" if near else f"its targets: {told}",
                fix=f"edgepack build {told}" if near else f"add it under `targets:`: {target}: {{}}",
            )
    return wanted or tuple(known)
