"""The story: what a build does, in order. Read this first.

    edgepack.yaml ─ manifest ─ plan ─ convert ─ compile ─ verify ─ package ─ ship ─ observe

A build looks at everything once (``snapshot``), decides from that alone (``plan``), and then carries out
the plan's steps: each finds what the ones before it left in the store, and leaves its own result there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgepack.catalog import recipes
from edgepack.compile import (
    ahead,
    blocks_step,
    library_step,
    program_step,
    render,
    runtime_step,
    vendor,
    verify_step,
)
from edgepack.compile.toolchains import told as compilers
from edgepack.convert import device, feed_step, parity_step
from edgepack.convert import state as recipe_state
from edgepack.convert import step as convert_step
from edgepack.errors import EdgepackError, Exit, ToolError
from edgepack.manifest import project as manifest
from edgepack.manifest.blocks import takes_sound
from edgepack.manifest.project import Project
from edgepack.model import golden, sealed_key
from edgepack.model.errors import GoldenError
from edgepack.package import handed, model_step, sdk_step
from edgepack.package import step as package_step
from edgepack.plan.build import check_targets, plan_build
from edgepack.plan.snapshot import Here, take
from edgepack.plan.step import Plan, Step, Work
from edgepack.store import Store
from edgepack.tools import cache, disk, qemu
from edgepack.tools.graph import Job, run_graph

# The stages of a build, in order; each takes what the one before it left.
STAGES: Mapping[str, Callable[[Work], str]] = {
    "import": convert_step.run_import,
    "prepare": convert_step.run_prepare,
    "adapt": convert_step.run_prepare,
    "blocks": blocks_step.run,
    "feed": feed_step.run,
    "convert": convert_step.run_convert,
    "parity": parity_step.run,
    "runtime": runtime_step.run,
    "library": library_step.run,
    "compile": program_step.run,
    "verify": verify_step.run,
    "package": package_step.run,
    "sdk": sdk_step.run,
    "model": model_step.run,
}


class Events(Protocol):
    """Who wants to know how a build goes: the screen."""

    def started(self, name: str, note: str = "") -> None: ...

    def note(self, name: str, note: str) -> None: ...

    def done(self, name: str, note: str = "", *, good: bool = True) -> None: ...


@dataclass(frozen=True)
class Request:
    """What the user asked to build: no targets means all of the manifest's."""

    folder: Path
    targets: tuple[str, ...] = ()
    toolchain: str | None = None
    proof: bool = False  # hold each converted model to the trained one, also where its program will
    program: bool = True  # with program and bundle


@dataclass(frozen=True)
class Built:
    """One target's bundle and its proof, or what there is in its place.

    kind: ``bundle``; ``sdk`` in that form; ``model`` where edgepack has no program for the runtime.
    """

    target: str
    folder: Path
    digest: str
    size: int
    proof: Mapping[str, Any]
    arch: str | None  # None beside a model for a target whose architecture nobody knows
    kind: str = "bundle"


@dataclass(frozen=True)
class BuildReport:
    """What a build came to. ``ran`` are the steps it carried out, in no order."""

    plan: Plan
    built: tuple[Built, ...]
    ran: tuple[str, ...]


class Locked(EdgepackError):
    """Another build is at work on this project."""

    exit_code = Exit.LOCKED


def build(request: Request, events: Events) -> BuildReport:
    """Build every target asked for. Raises the first error; what was finished by then is kept."""
    project = manifest.load(request.folder.absolute())
    store = Store(cache.root() / "store")
    ran: list[str] = []
    with only_build(project.folder):
        if request.toolchain is None and request.program:
            compilers.record(project, check_targets(project, request.targets))
        while True:
            plan = make_plan(project, request, store)
            check_ahead(plan, store)
            if project.manifest.encryption and any(step.stage == "package" for step in plan.todo):
                sealed_key.fetch(project.manifest.encryption, project.folder)  # not after an hour's work
            try:
                _carry_out(plan, store, events, ran)
            finally:
                _remember(plan, ran)
            if not _needs_another_look(plan, project, request, store):
                break
        built: tuple[Built, ...] = ()
        if request.program:
            built = tuple(_built(plan, target, store) for target in plan.chains)
            package_step.write_lock(plan, store)
    return BuildReport(plan, built, tuple(ran))


def prepared(request: Request, events: Events) -> tuple[Plan, Mapping[str, Mapping[str, Any]]]:
    """The plan, and what each target's model is made of: nothing is converted. Raises the first error.

    The facts are those of the prepare stage, by target: recipes/onnx/facts.py.
    """
    project = manifest.load(request.folder.absolute())
    store = Store(cache.root() / "store")
    with only_build(project.folder):
        plan = make_plan(project, request, store)
        check_ahead(plan, store)
        _carry_out(plan, store, events, [], stages=("import", "prepare"))
    found = {t: store.get(plan.step(t, "prepare").key) for t in plan.chains if "prepare" in plan.chains[t]}
    return plan, {target: result.report for target, result in found.items() if result}


def make_plan(project: Project, request: Request, store: Store) -> Plan:
    """What a build would do now: a look at everything, then a pure decision."""
    wanted = check_targets(project, request.targets)
    elsewhere = runtime_step.built() | library_step.built() | package_step.packaged(project)
    elsewhere |= handed.handed_over(project)
    known = recipes.load_all(project.folder)
    vendors, lacking = vendor.here(project)
    here = Here(
        qemu=verify_step.runners(),
        arch=qemu.host_arch(),
        missing=recipe_state.missing(known.values(), project),
        programs=render.RUNTIMES,
        vendors=vendors,
        lacking=lacking,
        devices=device.told(known.values(), project),
        toolchains=compilers.told(project, wanted),
    )
    snapshot = take(project, wanted, store, elsewhere, known, here)
    return plan_build(snapshot, request.toolchain, proof=request.proof, program=request.program)


def check_ahead(plan: Plan, store: Store) -> None:
    """Raises what a build of the plan would be refused for before anything of it is made."""
    for one in (*plan.parts.values(), plan):
        for choice in one.choices.values():
            _check_golden(Work(one, choice, store, lambda _note: None, "convert"))
    ahead.check(plan, store)


def _carry_out(
    plan: Plan, store: Store, events: Events, ran: list[str], stages: Collection[str] = STAGES
) -> None:
    """Run the steps of these stages that have no result, each once its needs have one."""
    work = {
        step_id: Work(one, one.choices[target], store, _noter(events, step_id), slot)
        for one in (*plan.parts.values(), plan)
        for target, chain in one.chains.items()
        for slot, step_id in chain.items()
    }
    jobs = {
        step.id: Job(step.needs, _job(step, work[step.id], events, ran), alone=step.stage == "runtime")
        for step in plan.todo
        if step.stage in stages
    }
    run_graph(jobs, workers=max(4, os.cpu_count() or 1))


def _job(step: Step, work: Work, events: Events, ran: list[str]) -> Callable[[], None]:
    def job() -> None:
        events.started(step.id, step.why)
        try:
            note = STAGES[step.stage](work)
            if work.slot == "convert":
                _check_golden(work)
        except KeyboardInterrupt:
            events.done(step.id, "stopped; the next build goes on from here", good=False)
            raise
        except BaseException as error:
            events.done(step.id, good=False)
            if isinstance(error, EdgepackError):
                _blame_disk(error, work)
            raise
        ran.append(step.id)
        events.done(step.id, note)

    return job


def _blame_disk(error: EdgepackError, work: Work) -> None:
    """A tool that found no room for its files blames the compiler, the model, anything."""
    full = disk.full(work.project.folder / ".edgepack")
    if full:
        raise ToolError(
            "no space is left on this machine's disk",
            where=", ".join(full),
            why=f"no space left on device, and so: {error.what}",
            fix="free some there; what was finished is kept, and the same command goes on from it",
        ) from error


def _check_golden(work: Work) -> None:
    """Hold the golden vectors to the model before minutes go into a program for them."""
    name = work.project.manifest.model.golden
    last = "verify" if "verify" in work.chain else "parity"
    if name is None or work.choice.part or last not in work.chain or work.step(last).cached:
        return
    # Where the converted model is compared with the trained one, that says which of its outputs are off.
    compared = {"prepare", "parity"} <= work.chain.keys() and work.choice.recipe.about.simulator is not None
    slot = "prepare" if compared else "convert"
    model = work.store.get(work.step(slot).key)
    try:
        if model is None:
            golden.names(work.project.file(name))
        else:
            outputs = {row["tensor"]: row["shape"] for row in model.report["outputs"]}
            golden.check(work.project.file(name), outputs)
        golden.check_inputs(work.project.file(name), takes_sound(work.project.manifest.pre))
    except GoldenError as error:
        error.where = f"{name} (edgepack.yaml:{work.project.document.line(('model', 'golden'))})"
        raise


def _noter(events: Events, step_id: str) -> Callable[[str], None]:
    return lambda note: events.note(step_id, note)


def _needs_another_look(plan: Plan, project: Project, request: Request, store: Store) -> bool:
    """Whether the conversion showed what the plan could not know: layers beyond the common runtime."""
    again = make_plan(project, request, store)
    return any(not step.cached for step in again.steps.values() if step.id not in plan.steps)


def _built(plan: Plan, target: str, store: Store) -> Built:
    kinds: tuple[tuple[handed.Kind, Callable[[Plan, str, Store], dict[str, Any]]], ...] = (
        ("model", model_step.proof),
        ("sdk", sdk_step.proof),
    )
    for kind, proof_of in kinds:
        if kind in plan.chains[target]:
            place, arch = handed.folder(plan.project, target, kind), plan.choices[target].target.known_arch
            shown = proof_of(plan, target, store)
            return Built(target, place, handed.digest(place), handed.size(place), shown, arch, kind)
    bundle = package_step.bundle_of(plan, target)
    proof = store.get(plan.step(target, "verify").key)
    size = sum(file.size for file in bundle.files)
    return Built(target, bundle.folder, bundle.digest, size, proof.report if proof else {}, bundle.arch)


def _remember(plan: Plan, ran: list[str]) -> None:
    """Keep what went into each finished step, so that the next plan can say what has changed since."""
    file = plan.project.folder / ".edgepack" / "last-plan.json"
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        known = {}
    finished = [step for step in plan.steps.values() if step.cached or step.id in ran]
    known.update({step.id: dict(step.inputs) for step in finished})
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(known, indent=1, sort_keys=True))
    beside.replace(file)


@contextlib.contextmanager
def only_build(folder: Path) -> Iterator[None]:
    """One build at a time per project; a second one says so at once."""
    import fcntl

    state = folder / ".edgepack"
    try:
        state.mkdir(exist_ok=True)
        handle = (state / "build.lock").open("w")
    except OSError as error:
        raise manifest.not_writable(folder, error) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                "another build of this project is running",
                where=str(folder),
                fix="wait for it, or stop it with Ctrl-C",
            ) from None
        yield
