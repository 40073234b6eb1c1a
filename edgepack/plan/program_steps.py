"""The second half of a plan: the program around the converted model, its proof, its bundle."""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.catalog import ncnn_layers
from edgepack.catalog.ncnn_build import NcnnSpec
from edgepack.plan.gates import gates_of
from edgepack.plan.keys import make_step
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice, Step
from edgepack.store import digest_of


def has_program(snapshot: Snapshot, choice: Choice) -> bool:
    """Whether a program is built around the model: the template drives its runtime, and it is a whole one."""
    return choice.runtime in snapshot.here.programs and choice.part is None


def model_step(snapshot: Snapshot, choice: Choice, before: Mapping[str, Step]) -> Step:
    """Instead of a program: the converted model, in files, with its proof."""
    parity = before.get("parity")
    inputs = {"model": before["convert"].key, "parity": parity.key if parity else "none"}
    inputs["edgepack/package"] = snapshot.code["edgepack/package"]
    needs = tuple(step.id for step in (before["convert"], parity) if step)
    name = f"{snapshot.project.manifest.name}@{choice.target.id}/model"
    return make_step(snapshot, name, "model", inputs, needs)


def program_steps(snapshot: Snapshot, choice: Choice, before: Mapping[str, Step]) -> dict[str, Step]:
    """runtime, compile, verify and package; ``before``: the steps that prove the converted model."""
    manifest = snapshot.project.manifest
    target = choice.target
    here = f"{manifest.name}@{target.id}"
    convert = before["convert"]
    # A bundle is not made of a model that was held to the trained one and did not pass.
    proven = (before["parity"].id,) if "parity" in before else ()
    runtime = _runtime_step(snapshot, choice, convert)
    compiled = make_step(
        snapshot,
        f"{here}/compile",
        "compile",
        _compile_inputs(snapshot, choice, convert, runtime),
        (convert.id, runtime.id),
    )
    golden = manifest.model.golden
    # Needs are named though others have them too: with those cached, the order would be lost.
    verify = make_step(
        snapshot,
        f"{here}/verify",
        "verify",
        {
            "program": compiled.key,
            golden or "golden vectors": snapshot.files[golden] if golden else "none",
            "with": snapshot.here.qemu.get(target.arch, "nothing here runs it"),
        },
        (convert.id, compiled.id),
    )
    package = make_step(
        snapshot,
        f"{here}/package",
        "package",
        {
            "program": compiled.key,
            golden or "golden vectors": snapshot.files[golden] if golden else "none",
            "health": digest_of(manifest.health.model_dump(mode="json")),
            "edgepack/package": snapshot.code["edgepack/package"],
        },
        (convert.id, *proven, compiled.id, verify.id),
    )
    return {"runtime": runtime, "compile": compiled, "verify": verify, "package": package}


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
    return make_step(snapshot, name, "runtime", inputs)


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
        "gates": digest_of(vars(gates_of(manifest, choice))),
        "threads": str(choice.options.threads),
        "target": choice.target.id,
        "templates/program": snapshot.code["templates/program"],
        "edgepack/compile": snapshot.code["edgepack/compile"],
        "model": convert.key,
        "runtime": runtime.key,
    }
