"""ONNX to a shared library by TVM, for one processor. The contract: docs/design/recipes.md.

The library is held to ONNX Runtime where this host can load it. For another architecture the same graph is
compiled for this host too, and that one is held; of the other the file's own header is looked at.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from typing import Any

import build
from edgepack_recipe import Refused, Request, held, trained
from vm import Vm

OPSETS = (7, 26)  # recipe.yaml says why; a test holds the two together
HOST = "x86_64"


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.so`` in ``out``. Raises Refused."""
    if request.precision not in ("fp32", "fp16"):
        raise Refused("converter-failed", f"TVM has no {request.precision} here", fix="use fp32 or fp16")
    arch = build.machine_for(request.options, request.target)
    reference = trained.read(request.model, OPSETS)
    cpu = request.options.get("mcpu")
    made, operators = build.library(request.model, request.precision, arch, cpu, request.work / arch)
    on_host = arch == HOST and not cpu
    here = (
        made
        if on_host
        else build.library(request.model, request.precision, HOST, None, request.work / "host")[0]
    )
    machine = Vm(here, [t.name for t in reference.inputs], [t.name for t in reference.outputs])
    pairs = ((machine.answers(feeds), reference.run(feeds)) for feeds in trained.draws(reference))
    parity = held.hold("TVM", request.precision, pairs)
    shutil.copyfile(made, request.out / build.FILE)
    unseen = f"the code for {arch} was not run: the same graph, compiled for {HOST}, is what was compared"
    return {
        "files": [build.FILE],
        "inputs": [_input(tensor) for tensor in reference.inputs],
        "outputs": [{"name": o.name, "tensor": o.name, "shape": list(o.shape)} for o in reference.outputs],
        "layers": operators,
        "operators": reference.counts(),
        "parity": parity,
        "tool": {"name": "apache-tvm", "version": version("apache-tvm")},
        "warnings": [] if on_host else [unseen],
        "kept": [],
        "arch": arch,
        "precision": request.precision,
    }


def _input(tensor: trained.Tensor) -> dict[str, Any]:
    given = {"name": tensor.name, "tensor": tensor.name, "shape": list(tensor.shape), "dtype": "float32"}
    return given | ({"layout": "NCHW"} if len(tensor.shape) == 4 else {})
