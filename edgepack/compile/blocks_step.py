"""The build's stage that makes the project's own `pre` and `post` run on this host, without a model."""

from __future__ import annotations

from dataclasses import replace

from edgepack.compile import library_step
from edgepack.compile.program import Places, build_blocks
from edgepack.compile.program_step import entries_placed, program_spec
from edgepack.compile.render import ProgramSpec, TensorSpec
from edgepack.compile.toolchains.select import toolchain
from edgepack.plan.cut import cut_of, slot_of
from edgepack.plan.step import Work
from edgepack.tools import qemu

NAME = "blocks"


def run(work: Work) -> str:
    """Render and compile; returns a line on it. Raises CompileError or ToolError."""
    step, folder = work.step("blocks"), work.project.folder
    tools = toolchain("zig", qemu.host_arch(), None, work.progress)
    log = work.log("blocks")
    log.unlink(missing_ok=True)
    name = step.id.rpartition("/")[2].replace(":", "-")
    build = (folder / ".edgepack" / "build" / name).resolve()
    libraries = library_step.for_host(work, log)
    places = Places(folder.resolve(), build, None, log.resolve(), libraries)
    with entries_placed(work):
        program = build_blocks(_spec(work), places, tools, work.progress)
    kept = work.store.put(step.key, {NAME: program}, {"arch": qemu.host_arch()})
    return f"pre and post for this host, {kept.outputs[NAME].size / 1e6:.1f} MB"


def _spec(work: Work) -> ProgramSpec:
    """`pre` feeds the first part of a split model, and `post` takes the outputs of the whole."""
    cut = cut_of(work)
    if cut is None:
        return program_spec(work, "prepare", qemu.host_arch())
    outputs = tuple(TensorSpec(name, name, shape) for name, shape in cut.outputs.items())
    return replace(program_spec(work, slot_of(work, "before"), qemu.host_arch()), outputs=outputs)
