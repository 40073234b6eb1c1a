"""The build's stage that turns manifest, model and the user's code into a program for the target."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgepack.catalog.runtimes import linkage
from edgepack.catalog.toolchains import elsewhere, label
from edgepack.compile import hardening, library_step, loads, python_code, runtime_step
from edgepack.compile.blocks import Block
from edgepack.compile.errors import CompileError
from edgepack.compile.flow import flow_of
from edgepack.compile.program import ProgramBuild, build_program, of_box
from edgepack.compile.render import MemberSpec, ProgramSpec, PythonSpec, ServiceSpec, TensorSpec
from edgepack.compile.toolchains.select import opened
from edgepack.compile.toolchains.site import Site
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import InputError, ToolError
from edgepack.manifest.blocks import PostBlock, PreBlock
from edgepack.manifest.python import Python
from edgepack.manifest.service import Service
from edgepack.plan.gates import gates_of
from edgepack.plan.libraries import decoded
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.step import Choice, Work
from edgepack.tools import debug_files


def run(work: Work) -> str:
    """Render and compile; returns a line on it. Raises CompileError, LoadError or ToolError."""
    step, choice = work.step("compile"), work.choice
    spec = program_spec(work)
    glibc = glibc_of(work.project, choice)
    folder = work.project.folder
    build = folder / ".edgepack" / "build" / _folder(work)
    runtime, libraries = runtime_step.folder(work.step("runtime")), library_step.folders(work)
    site = Site((build.resolve(),), (runtime.resolve(), *libraries), folder.resolve(), texts=True)
    log = work.log("compile")
    log.unlink(missing_ok=True)
    with (
        opened(choice.toolchain, choice.target.arch, site, choice.target.cpu, work.progress, glibc) as tools,
        tempfile.TemporaryDirectory(prefix="edgepack-program-") as temporary,
        entries_placed(work),
    ):
        texts = _licences(choice, tools)
        python = python_code.files(work.project, choice.target, spec, log, work.progress)
        made = build_program(
            spec,
            project=folder,
            build=build,
            toolchain=tools,
            runtime=runtime,
            dest=Path(temporary),
            log=log,
            libraries=libraries,
            progress=work.progress,
        )
        needs = _check_loads(work, made)
        report = {"build_id": made.build_id, "compiled": made.compiled, "total": made.total, "glibc": glibc}
        report["needs"] = vars(needs)
        report["hardening"] = vars(hardening.check(made.debug, pie="-static" not in tools.flags.link))
        if spec.python:
            report["python"] = python_code.asked_of_box(spec.python, choice.target)
        sdk = {f"sdk/{name}": path for name, path in made.sdk.items()}
        beside = {**runtime_step.beside(work.step("runtime")), **library_step.beside(work), **python}
        if tools.facts:
            report["compiler"] = dict(tools.facts)
            beside |= _written(texts, Path(temporary) / "licences")
        put = work.store.put(
            step.key, {"program": made.program, "debug": made.debug, **sdk, **beside}, report
        )
        debug_files.keep(made.build_id, work.store.blob(put.outputs["debug"].sha256))
        size = made.program.stat().st_size
    return f"{made.compiled} of {made.total} files compiled, {size / 1e6:.1f} MB"


def _licences(choice: Choice, tools: Toolchain) -> dict[str, bytes]:
    """What a compiler that is elsewhere puts into a program, in its own words. Raises ToolError."""
    word = elsewhere(choice.toolchain)
    if word is None:
        return {}
    named = choice.options.toolchain
    folder = None if named is None or isinstance(named, str) else named.licences
    texts = {}
    for name in ("gcc.txt", "glibc.txt"):
        there = folder is not None and Path(folder, name).is_file()
        texts[name] = Path(folder, name).read_bytes() if folder and there else tools.texts.get(name, b"")
        if not texts[name].strip():
            raise ToolError(
                f"no licence text for {name.removesuffix('.txt')}, which {word.asked} links into the program",
                where=str(Path(folder, name)) if folder else "/usr/share/doc/*/copyright there",
                why="a bundle carries the licences of what it holds",
                fix="put gcc.txt and glibc.txt into a folder on this host, and name it beside "
                f"`{word.kind}:` as `licences: FOLDER`",
            )
    return texts


def _written(texts: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    return {f"licences/{name}": folder / name for name in texts}


def _check_loads(work: Work, made: ProgramBuild) -> loads.Needs:
    """Program and the runtime's libraries, held to the target's libc. Raises LoadError."""
    choice = work.choice
    if linkage(choice.runtime) == "static":
        return _check_static(choice, made)
    libraries = runtime_step.libraries(work.step("runtime"))
    vendors = of_box(runtime_step.folder(work.step("runtime")))
    libc = choice.target.libc
    return loads.check_for(made.program, libraries, choice.target.arch, libc, made.objects, vendors)


def _check_static(choice: Choice, made: ProgramBuild) -> loads.Needs:
    """A program that needs nothing of the box, whoever made it. Raises LoadError."""
    if made.sdk:  # its library is looked at by ``sdk.collect``; its own program is linked to a glibc
        return loads.Needs("static")
    return loads.check_static(made.program, choice.target.arch)


def _folder(work: Work) -> str:
    """One build folder for each that is compiled in another way."""
    form = work.project.manifest.form
    return f"{work.choice.target.id}-{label(work.choice.toolchain)}{'' if form == 'app' else f'-{form}'}"


@contextlib.contextmanager
def entries_placed(work: Work) -> Iterator[None]:
    """An error that only knows the user's file, since a linker knows no lines, also names who asks for it."""
    try:
        yield
    except CompileError as error:
        manifest = work.project.manifest
        for section, blocks in (("pre", manifest.pre), ("post", manifest.post)):
            for index, block in enumerate(blocks):
                if block.code is not None and block.code == error.where:
                    line = work.project.document.line((section, index, "entry"))
                    error.where = f"{block.code} (edgepack.yaml:{line})"
        raise


def program_spec(work: Work, slot: str = "convert", arch: str | None = None) -> ProgramSpec:
    """What the generated program depends on, from the manifest and the report on the model of a slot.

    arch: what it is built for, where that is not the target's.
    """
    manifest, choice = work.project.manifest, work.choice
    report = work.result(slot).report
    licence = manifest.licence
    return ProgramSpec(
        name=manifest.name,
        version=manifest.version,
        target=choice.target.id,
        arch=arch or choice.target.arch,
        runtime=choice.runtime,
        chip=choice.target.chip or "",
        pre=tuple(_block(block) for block in manifest.pre),
        post=tuple(_block(block) for block in manifest.post),
        inputs=tuple(_tensor(row) for row in report["inputs"]),
        outputs=tuple(_tensor(row) for row in report["outputs"]),
        gates=gates_of(manifest, choice),
        flow=flow_of(manifest, work.choice.target.id),
        formats=decoded(manifest),
        most_pixels=manifest.source.most_pixels,
        precision=choice.precision,
        num_threads=choice.options.threads,
        form=manifest.form,
        members=_members(work),
        service=_service(manifest.service),
        licence_keys=licence.keys(work.project.folder) if licence else (),
        licence_required=licence is None or licence.required,
        encrypted=manifest.encryption is not None,
        python=_python(manifest.python),
    )


def _python(said: Python | None) -> PythonSpec | None:
    return PythonSpec(said.version, said.program, round(said.timeout_s * 1000)) if said else None


def _service(said: Service) -> ServiceSpec:
    values = said.model_dump()
    return ServiceSpec(**values.pop("batching"), **values)


def _members(work: Work) -> tuple[MemberSpec, ...]:
    found = []
    for name, part in work.plan.parts.items():
        report, manifest = work.part_result(name).report, part.project.manifest
        found.append(
            MemberSpec(
                name,
                tuple(_block(block) for block in manifest.pre),
                tuple(_block(block) for block in manifest.post),
                tuple(_tensor(row) for row in report["inputs"]),
                tuple(_tensor(row) for row in report["outputs"]),
            )
        )
    return tuple(found)


def _block(block: PreBlock | PostBlock) -> Block:
    if block.code is not None and block.entry is not None:
        return Block("code", {}, block.code, block.entry)
    params = getattr(block, block.kind).model_dump()
    return Block(block.kind, params)


def _tensor(row: dict[str, Any]) -> TensorSpec:
    """A recipe says shapes as the runtime keeps them: the user's own code sees channels first, as in ONNX."""
    shape = tuple(int(axis) for axis in row["shape"])
    if not shape:
        raise InputError(f"the recipe gives no shape for {row.get('tensor')}")
    last = bool(row.get("channels_last")) or (row.get("layout") == "NHWC" and len(shape) == 4)
    if last:
        shape = (shape[0], shape[-1], *shape[1:-1])
    return TensorSpec(str(row["name"]), str(row.get("tensor", row["name"])), shape, last)
