"""The build's last stage: program, model, golden vectors and configuration into a bundle in ``dist/``."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from edgepack.bundle import Bundle, BundleError, open_bundle
from edgepack.manifest.project import Project
from edgepack.manifest.sinks import JsonlSink
from edgepack.model import golden
from edgepack.package import hooks, on_box, sealing
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.package.linked import notices_layer
from edgepack.plan.gates import gates_of
from edgepack.plan.needs import needs_of
from edgepack.plan.step import Plan, Work
from edgepack.store import Store


def run(work: Work) -> str:
    """Write the bundle; returns a line on it."""
    step, manifest = work.step("package"), work.project.manifest
    target = work.choice.target.id
    dest = folder(work.project, target)
    # No JSON of the proof is in here: the bundle's digest must not tell on which host it was built.
    with tempfile.TemporaryDirectory(prefix="edgepack-bundle-") as temporary:
        layers = _layers(work, Path(temporary))
        spec = BundleSpec(
            name=manifest.name,
            version=manifest.version,
            target=target,
            arch=work.choice.target.arch,
            runtime=work.choice.runtime,
            layers={**layers, "notices": notices_layer(work, layers)},
            release=_release(work),
        )
        dest.parent.mkdir(exist_ok=True)
        bundle = write_bundle(spec, dest)
    _note(work.project, target, {"key": step.key, "bundle": bundle.digest})
    _write_proof(work, bundle)
    return f"{_shown(work.project, dest)}  {bundle.digest[:19]}"


def folder(project: Project, target: str) -> Path:
    """Where the bundle of a target lies: ``dist/<name>@<target>``."""
    return project.folder / "dist" / f"{project.manifest.name}@{target}"


def bundle_of(plan: Plan, target: str) -> Bundle:
    """The bundle that the plan's last step left."""
    return open_bundle(folder(plan.project, target))


def packaged(project: Project) -> frozenset[str]:
    """Keys of the package steps whose bundle still lies in ``dist/`` as they left it."""
    kept = set()
    for target in project.manifest.targets:
        try:
            note = json.loads(_note_file(project, target).read_bytes())
            if open_bundle(folder(project, target)).digest == note["bundle"]:
                kept.add(str(note["key"]))
        except (BundleError, OSError, ValueError, KeyError, TypeError):
            continue
    return frozenset(kept)


def _note_file(project: Project, target: str) -> Path:
    return project.folder / ".edgepack" / "packaged" / f"{target}.json"


def _note(project: Project, target: str, note: dict[str, str]) -> None:
    file = _note_file(project, target)
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(note))
    beside.replace(file)


def _layers(work: Work, temporary: Path) -> dict[str, dict[str, Content]]:
    name, store = work.project.manifest.name, work.store
    program = work.result("compile").outputs["program"]
    layers: dict[str, dict[str, Content]] = {
        "program": {f"bin/{name}": Content(store.blob(program.sha256), 0o755)},
        "model": {
            f"model/{file}": Content(store.blob(output.sha256))
            for file, output in work.result("convert").outputs.items()
        },
    }
    engine = on_box.of(work.result("convert"), store)
    if engine:
        layers["model"][f"model/{on_box.SCRIPT}"] = Content(engine.encode(), 0o755)
    for part in work.plan.parts:
        for file, output in work.part_result(part).outputs.items():
            layers["model"][f"model/{part}/{file}"] = Content(store.blob(output.sha256))
    closed = temporary / "model"
    closed.mkdir()
    layers["model"] = sealing.sealed(work.project, layers["model"], closed)
    libraries = {
        file: Content(store.blob(output.sha256))
        for file, output in work.result("compile").outputs.items()
        if file.startswith("lib/")
    }
    if libraries:
        layers["libraries"] = libraries
    scripts = hooks.files(work.project)
    if scripts:
        layers["config"] = scripts
    vectors = work.project.manifest.model.golden
    if vectors:
        opened = temporary / "golden"
        golden.unpack(work.project.file(vectors), opened)
        layers["golden"] = {f"golden/{file.name}": Content(file) for file in sorted(opened.iterdir())}
    return layers


def _release(work: Work) -> dict[str, Any]:
    """``release.json``: what the deployer and the box need to know of the release."""
    manifest, choice = work.project.manifest, work.choice
    gates = gates_of(manifest, choice)
    needs = work.result("compile").report.get("needs", {"libc": "static", "object": ""})
    vectors = manifest.model.golden
    expected = golden.names(work.project.file(vectors)) if vectors else None
    return {
        "program": f"bin/{manifest.name}",
        "precision": choice.precision,
        "build_id": work.result("compile").report["build_id"],
        # What asks for it is told too, where a box has less.
        "libc": needs["libc"],
        **({"libc_for": f"{needs['object']} ({needs['symbol']})"} if needs["object"] else {}),
        "gates": vars(gates),
        "golden": {
            "samples": expected.samples,
            "outputs": list(expected.outputs),
            "records": list(expected.records),
        }
        if expected
        else None,
        "health": {"timeout": manifest.health.timeout, "min_fps": manifest.health.min_fps},
        "source": manifest.source.model_dump(),
        "sink": next((sink.model_dump() for sink in manifest.sinks if isinstance(sink, JsonlSink)), {}),
        **on_box.release(work.result("convert"), work.store),
        **({"hooks": seconds} if (seconds := hooks.seconds(manifest)) else {}),
        **({"needs": asked} if (asked := needs_of(choice)) else {}),
        **({"licence": _licence(work.project)} if manifest.licence else {}),
        **({"python": theirs} if (theirs := work.result("compile").report.get("python")) else {}),
        **sealing.release(manifest),
    }


def _licence(project: Project) -> dict[str, Any]:
    """What the deployer judges a licence by before it changes anything."""
    licence = project.manifest.licence
    assert licence is not None
    keys = list(licence.keys(project.folder))
    return {"keys": keys, "required": licence.required, "warn_days": licence.warn_days}


def _write_proof(work: Work, bundle: Bundle) -> None:
    """The proof beside the bundle, for people and scripts: ``dist/<name>@<target>.proof.json``."""
    proof = work.store.get(work.step("verify").key)
    body = {"bundle": bundle.digest, "proof": dict(proof.report) if proof else None}
    file = bundle.folder.with_name(bundle.folder.name + ".proof.json")
    file.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


def write_lock(plan: Plan, store: Store) -> None:
    """``edgepack.lock``: digests and versions of everything that went into each target's bundle."""
    body: dict[str, Any] = {"edgepack.lock": 1, "targets": {}}
    file = plan.project.folder / "edgepack.lock"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        body["targets"] = dict(json.loads(file.read_bytes())["targets"])
    known = plan.project.manifest.targets
    body["targets"] = {t: v for t, v in body["targets"].items() if t in known}
    for target, chain in plan.chains.items():
        converted = store.get(plan.step(target, "convert").key)
        body["targets"][target] = {
            "bundle": bundle_of(plan, target).digest if "package" in chain else None,
            "converter": dict(converted.report["tool"]) if converted else {},
            "model": {n: o.sha256 for n, o in sorted(converted.outputs.items())} if converted else {},
            **sealing.release(plan.project.manifest),
            **{
                stage: dict(plan.steps[step_id].inputs)
                for stage, step_id in chain.items()
                if stage not in ("verify", "parity")
            },
        }
    text = json.dumps(body, indent=1, sort_keys=True) + "\n"
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def _shown(project: Project, path: Path) -> str:
    return str(path.relative_to(project.folder))
