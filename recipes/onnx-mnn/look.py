"""What a .mnn computes, in a process of its own because MNN can crash on it.

``look.py ASKED.json ANSWER.json``: ASKED has ``model`` (ONNX), ``made`` (what ships), ``plain`` (the same in
float32), ``tensors`` (the names that the file has) and ``precision``; ANSWER is ``{"parity", "taps"}`` or
``{"error"}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from edgepack_recipe import Refused, held, trained
from net import Net


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Raises Refused."""
    reference = trained.read(Path(asked["model"]), tuple(asked["opsets"]))
    inputs = [t.name for t in reference.inputs]
    net = Net(Path(asked["made"]), inputs, [t.name for t in reference.outputs])
    pairs = ((net.answers(feeds), reference.run(feeds)) for feeds in trained.draws(reference))
    parity = held.hold("MNN", asked["precision"], pairs)
    return {"parity": parity, "taps": _taps(reference, Path(asked["plain"]), set(asked["tensors"]))}


def _taps(reference: trained.Trained, plain: Path, there: set[str]) -> list[str]:
    """The ONNX tensors that the file still has, under the name and with the numbers that ONNX gives them.

    MNN merges operators and leaves the first one's name on the result: of `dense` and the ReLU behind it, the
    tensor `dense` has lost its negative numbers. So a name is only believed where the float32 conversion
    computes ONNX's numbers under it.
    """
    ends = {t.name for t in reference.outputs}
    names = [name for node in reference.graph.node for name in node.output if name in there - ends]
    if not names:
        return []
    feeds = next(trained.draws(reference))
    wanted = _between(reference.file, feeds, names)
    given = Net(plain, [t.name for t in reference.inputs], names).answers(feeds)
    return [name for name in names if name in wanted and _same(given[name], wanted[name])]


def _between(file: Path, feeds: dict[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    model = onnx.load(str(file))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    found = dict(zip(names, session.run(names, feeds), strict=True))
    return {
        name: value for name, value in found.items() if value.dtype == np.float32 and value.shape[:1] == (1,)
    }


def _same(given: np.ndarray, wanted: np.ndarray) -> bool:
    if given.shape != wanted.shape:
        return False
    near = held.MAX_ABS["fp32"] * max(1.0, float(np.abs(wanted).max(initial=0)))
    return float(np.abs(given - wanted).max(initial=0)) <= near


if __name__ == "__main__":
    try:
        answer = main(json.loads(Path(sys.argv[1]).read_text()))
    except Refused as refused:
        answer = {"error": refused.as_json()}
    Path(sys.argv[2]).write_text(json.dumps(answer))
