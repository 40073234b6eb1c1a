"""The build's stage that makes the project's own `pre` and `post` run on this host, without a model."""

from __future__ import annotations

from edgepack.compile.program import Places, build_blocks
from edgepack.compile.program_step import entries_placed, program_spec
from edgepack.compile.toolchains.select import toolchain
from edgepack.plan.step import Work
from edgepack.tools import qemu

NAME = "blocks"


def run(work: Work) -> str:
    """Render and compile; returns a line on it. Raises CompileError or ToolError."""
    step, folder = work.step("blocks"), work.project.folder
    tools = toolchain("zig", qemu.host_arch(), None, work.progress)
    log = work.log("blocks")
    log.unlink(missing_ok=True)
    places = Places(folder.resolve(), (folder / ".edgepack" / "build" / NAME).resolve(), None, log.resolve())
    with entries_placed(work):
        program = build_blocks(program_spec(work, "prepare"), places, tools, work.progress)
    kept = work.store.put(step.key, {NAME: program}, {"arch": qemu.host_arch()})
    return f"pre and post for this host, {kept.outputs[NAME].size / 1e6:.1f} MB"
