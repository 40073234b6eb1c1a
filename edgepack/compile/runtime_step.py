"""The build's stage that makes what executes the model: ncnn, once per processor, layers and toolchain."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgepack.catalog import ncnn_layers
from edgepack.compile.ncnn import NcnnSpec, build_ncnn
from edgepack.plan.step import Step, Work
from edgepack.tools import cache

_MARKER = "ncnn-build.json"


def run(work: Work) -> str:
    """Build the runtime; returns a line on it. Raises ToolError or CompileError."""
    step, choice = work.step("runtime"), work.choice
    tier: ncnn_layers.Tier = "all" if step.inputs["layers"] == "all" else "common"
    spec = NcnnSpec(choice.target.arch, choice.target.cpu, tier, choice.toolchain)
    dest = folder(step)
    dest.parent.mkdir(parents=True, exist_ok=True)
    build_ncnn(spec, dest, work.log("runtime"), work.progress)
    about = json.loads((dest / _MARKER).read_bytes())
    return f"ncnn {about['ncnn']}, kept for every project"


def folder(step: Step) -> Path:
    """Where the runtime of that step lies, or would lie."""
    return _root() / step.key


def built() -> frozenset[str]:
    """The keys of all runtimes that are here and whole."""
    if not _root().is_dir():
        return frozenset()
    return frozenset(name for name in os.listdir(_root()) if (_root() / name / _MARKER).is_file())


def _root() -> Path:
    return cache.root() / "runtimes"
