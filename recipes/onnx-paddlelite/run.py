"""Computes the .nb where it is for this host, else what can be had here of the same model."""

from __future__ import annotations

from pathlib import Path

import convert
import numpy as np
from edgepack_recipe import Refused, Simulation, tensors, trained
from net import Lite, Paddle


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by ONNX name. A .nb has no names for what is between: there are no taps."""
    report = simulation.report
    names = [i["tensor"] for i in report["inputs"]], [o["tensor"] for o in report["outputs"]]
    net = _net(simulation, names)
    return tensors.stacked([net.answers(feeds) for feeds in tensors.samples(simulation.inputs)])


def _net(simulation: Simulation, names: tuple[list[str], list[str]]) -> Lite | Paddle:
    report = simulation.report
    if convert.PLACES[report["arch"]] == "x86":
        return Lite(simulation.model / convert.FILE, *names)
    if simulation.trained is None:
        raise Refused("missing-tool", f"this host cannot compute a .nb for {report['arch']}")
    reference = trained.read(Path(simulation.trained), convert.OPSETS)
    paddle = convert.to_paddle(reference, simulation.work / "paddle")
    here, _ = convert.on_this_host(paddle, report["precision"], simulation.work / "here")
    return Lite(here, *names) if here else Paddle(paddle, *names)
