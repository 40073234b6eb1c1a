"""What a build would do, decided from a snapshot alone: no file is read here, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgepack.errors import UsageError
from edgepack.manifest.graph import part_of
from edgepack.manifest.model import TargetOptions
from edgepack.manifest.project import Project
from edgepack.plan.chain import format_of
from edgepack.plan.choose import choose
from edgepack.plan.encryption import check_encryption, encrypted_words
from edgepack.plan.program_steps import check_arch, has_program, model_step, no_program, program_steps
from edgepack.plan.proof_steps import proof_steps
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice, Plan, Step


def plan_build(
    snapshot: Snapshot, toolchain: str | None = None, *, proof: bool = False, program: bool = True
) -> Plan:
    """The plan for the snapshot's targets.

    toolchain: what the command line asks for; it wins over the manifest. proof: hold every converted
    model to the trained one on this host, also where the program on its golden vectors will show it.
    program: make the bundle too. Raises InputError where no recipe leads to a runtime of the target, or
    it cannot write the precision.
    """
    choices = {t.id: _told(snapshot, choose(snapshot, t, toolchain)) for t in snapshot.targets.values()}
    parts = {name: _part(snapshot, toolchain, name) for name in snapshot.project.manifest.models}
    steps: dict[str, Step] = {one.id: one for part in parts.values() for one in part.steps.values()}
    chains: dict[str, dict[str, str]] = {}
    for target_id, choice in choices.items():
        if program:
            check_arch(snapshot, choice)
            check_encryption(snapshot, choice)
        found = proof_steps(snapshot, choice, proof=proof)
        if program and has_program(snapshot, choice):
            beside = {name: part.chains[target_id] for name, part in parts.items()}
            found |= program_steps(
                snapshot, choice, found, {n: [steps[i] for i in c.values()] for n, c in beside.items()}
            )
        elif program:
            found["model"] = model_step(snapshot, choice, found)
        chains[target_id] = {slot: step.id for slot, step in found.items()}
        for step in found.values():
            steps.setdefault(step.id, step)
    return Plan(snapshot.project, choices, steps, chains, parts)


def _part(snapshot: Snapshot, toolchain: str | None, name: str) -> Plan:
    """How one of `models` is converted, and proven alone where it has golden vectors."""
    manifest = part_of(snapshot.project.manifest, name)
    project = replace(snapshot.project, manifest=manifest)
    form = format_of(manifest.model.file, snapshot.recipes, project.folder)
    its = replace(snapshot, project=project, format=form, weights={})
    return plan_build(its, toolchain, proof=True, program=False)


def _told(snapshot: Snapshot, choice: Choice) -> Choice:
    """With the reason where there is no program though the template could drive the runtime."""
    why = no_program(snapshot, choice)
    said = {"program": f"none, the converted model alone: {why}"} if why else {}
    said |= encrypted_words(snapshot)
    return replace(choice, because={**choice.because, **said})


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
