"""Darknet's cfg and weights to ONNX. The heads of a detector are left raw, one output each.

The contract: docs/design/recipes.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layers
from cfg import Section, read
from edgepack_recipe import Refused, Request, imported
from edgepack_recipe.onnx_graph import Graph
from weights import Weights

INPUT = "images"
LARGEST = 1 << 14  # pixels a side, and channels


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    about, sections = read(request.model)
    weights = Weights(weights_file(request))
    net = layers.Net(Graph(request.model.stem), weights)
    shape = input_shape(about)
    net.graph.input(INPUT, shape)
    for layer in sections:
        layers.add(net, layer)
    if weights.left:
        raise Refused(
            "not-a-model",
            f"{weights.name} does not belong to {request.model.name}",
            f"{weights.left:,} of its {len(weights.numbers):,} numbers are of no layer",
            "give the cfg that these weights were trained with",
        )
    outputs = list(dict.fromkeys(net.heads or [net.last]))
    file = imported.write(net.graph.model(outputs), request.out)
    pairs = [(feeds, None) for feeds in imported.draws({INPUT: shape})]
    return imported.report(file, ("edgepack's Darknet reader", "1"), pairs, warnings(sections))


def weights_file(request: Request) -> Path:
    """What the request names, else the file of the same name. Raises Refused."""
    file = request.weights or request.model.with_suffix(".weights")
    if not file.is_file():
        what = f"the weights of {request.model.name} are not there"
        raise Refused(
            "not-a-model", what, "a cfg holds the layers alone", "set model.weights to the .weights file"
        )
    return file


def input_shape(about: Section) -> tuple[int, int, int, int]:
    """Raises Refused."""
    shape = (1, about.whole("channels", 3), about.whole("height", 0), about.whole("width", 0))
    if not all(0 < size <= LARGEST for size in shape):
        what = f"[net] says no size for the input: {list(shape)}"
        raise Refused("not-a-model", what, fix="set width, height and channels under [net]")
    return shape


def warnings(sections: list[Section]) -> list[str]:
    """What users of such heads have to know."""
    heads = [layer for layer in sections if layer.kind in ("yolo", "gaussian_yolo", "region", "detection")]
    if not heads:
        return []
    told = (
        f"{len(heads)} outputs are raw heads: anchors, sigmoid and boxes are for your own post "
        f"(anchors and classes are in the cfg, line {heads[0].line})"
    )
    return [told]
