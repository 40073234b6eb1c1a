"""Computes the .mnn with MNN on this host's processor."""

from __future__ import annotations

import numpy as np
from edgepack_recipe import Simulation, tensors
from net import Net


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs, and ``tap:<tensor>`` for each tap that convert.py found to be what it is called."""
    report, taps = simulation.report, simulation.taps
    outputs = [output["tensor"] for output in report["outputs"]]
    chosen = [name for name in report["taps"] if "*" in taps or name in taps]
    net = Net(
        simulation.model / report["files"][0], [i["tensor"] for i in report["inputs"]], outputs + chosen
    )
    found = tensors.stacked([net.answers(feeds) for feeds in tensors.samples(simulation.inputs)])
    return {("tap:" + name if name in chosen else name): value for name, value in found.items()}
