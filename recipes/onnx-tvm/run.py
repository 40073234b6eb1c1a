"""Computes the library with TVM; one for another processor is compiled once more, for this host."""

from __future__ import annotations

import build
import numpy as np
from edgepack_recipe import Refused, Simulation, tensors
from vm import Vm


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by ONNX name. TVM merges operators into functions of its own: there are no taps."""
    report = simulation.report
    library = simulation.model / build.FILE
    if report["arch"] != "x86_64" or report["warnings"]:
        if simulation.trained is None:
            raise Refused("missing-tool", f"this host cannot load a library for {report['arch']}")
        library, _ = build.library(
            simulation.trained, report["precision"], "x86_64", None, simulation.work / "host"
        )
    names = [i["tensor"] for i in report["inputs"]], [o["tensor"] for o in report["outputs"]]
    machine = Vm(library, *names)
    return tensors.stacked([machine.answers(feeds) for feeds in tensors.samples(simulation.inputs)])
