"""The build's stage that gets what executes the model: compiled, or fetched, once for every project."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgepack.catalog import ncnn_layers
from edgepack.catalog.packaged_runtimes import PACKAGED, PackagedSpec
from edgepack.catalog.vendor_runtimes import VENDORS, vendor_of
from edgepack.compile import packaged, vendor
from edgepack.compile.ncnn import NcnnSpec, build_ncnn
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.step import Step, Work
from edgepack.tools import cache

_MARKERS = ("ncnn-build.json", packaged.MARKER, vendor.MARKER)


def run(work: Work) -> str:
    """Get the runtime; returns a line on it. Raises ToolError or CompileError."""
    folder(work.step("runtime")).parent.mkdir(parents=True, exist_ok=True)
    if work.choice.runtime in VENDORS:
        return _vendor(work)
    return _packaged(work) if work.choice.runtime in PACKAGED else _ncnn(work)


def _ncnn(work: Work) -> str:
    step, choice = work.step("runtime"), work.choice
    tier: ncnn_layers.Tier = "all" if step.inputs["layers"] == "all" else "common"
    glibc = glibc_of(work.project, choice)
    spec = NcnnSpec(choice.target.arch, choice.target.cpu, tier, choice.toolchain, glibc=glibc)
    dest = folder(step)
    build_ncnn(spec, dest, work.log("runtime"), work.progress, work.project.folder)
    about = json.loads((dest / _MARKERS[0]).read_bytes())
    return f"ncnn {about['ncnn']}, kept for every project"


def _packaged(work: Work) -> str:
    about = PACKAGED[work.choice.runtime]
    packaged.fetch(
        PackagedSpec(about.id, work.choice.target.arch), folder(work.step("runtime")), work.progress
    )
    return f"{about.name} {about.version}, kept for every project"


def _vendor(work: Work) -> str:
    target = work.choice.target
    about = vendor_of(work.choice.runtime, target.chip)
    assert about is not None
    headers = vendor.place(about, work.project, folder(work.step("runtime")), target.arch)
    whose = "goes along" if about.brings else "is the box's own"
    return f"{about.name}'s headers from {headers.said}; its library {whose}"


def libraries(step: Step) -> tuple[Path, ...]:
    """The shared libraries of that step's runtime, which go into the bundle; none of a static one."""
    return tuple(sorted(p for p in (folder(step) / "lib").iterdir() if ".so" in p.name))


def beside(step: Step) -> dict[str, Path]:
    """What a program of that runtime has beside it: ``lib/<soname>`` and ``licences/<name>``."""
    texts = sorted((folder(step) / "licences").glob("*.txt"))
    return {f"{path.parent.name}/{path.name}": path for path in (*libraries(step), *texts)}


def folder(step: Step) -> Path:
    """Where the runtime of that step lies, or would lie."""
    return _root() / step.key


def built() -> frozenset[str]:
    """The keys of all runtimes that are here and whole."""
    if not _root().is_dir():
        return frozenset()
    places = (_root() / name for name in os.listdir(_root()))
    return frozenset(p.name for p in places if any((p / marker).is_file() for marker in _MARKERS))


def _root() -> Path:
    return cache.root() / "runtimes"
