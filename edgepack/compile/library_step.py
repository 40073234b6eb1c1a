"""The build's stage that compiles a C library for the target's processor, once for every project."""

from __future__ import annotations

import os
from pathlib import Path

from edgepack.catalog.libraries import LIBRARIES, LibrarySpec
from edgepack.compile.library import MARKER, build_library, root
from edgepack.plan.libraries import SLOT, needed, spec_of
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.step import Work
from edgepack.tools import qemu


def run(work: Work) -> str:
    """Build the library of the slot; returns a line on it. Raises ToolError or CompileError."""
    name = work.slot.partition(":")[2]
    log = work.log(work.slot)
    log.parent.mkdir(parents=True, exist_ok=True)
    build_library(
        spec_of(name, work.choice, glibc_of(work.project, work.choice)),
        log,
        work.progress,
        work.project.folder,
    )
    return f"{name} {LIBRARIES[name].version}, kept for every project"


def folders(work: Work) -> tuple[Path, ...]:
    """Where the libraries of the target's program lie: ``include/``, ``lib/``, in a linker's order."""
    return tuple(root() / work.step(f"{SLOT}:{name}").key for name in needed(work.project.manifest))


def for_host(work: Work, log: Path) -> tuple[Path, ...]:
    """The same for the program of `pre` and `post`, which runs here; built where they are not there yet."""
    log.parent.mkdir(parents=True, exist_ok=True)
    specs = [LibrarySpec(name, qemu.host_arch()) for name in needed(work.project.manifest)]
    return tuple(build_library(spec, log, work.progress) for spec in specs)


def beside(work: Work) -> dict[str, Path]:
    """The licence texts of what is linked: ``licences/<name>``."""
    texts = [path for place in folders(work) for path in sorted((place / "licences").iterdir())]
    return {f"licences/{path.name}": path for path in texts}


def built() -> frozenset[str]:
    """The keys of all builds that are here and whole."""
    if not root().is_dir():
        return frozenset()
    return frozenset(name for name in os.listdir(root()) if (root() / name / MARKER).is_file())
