"""What was made computes, in a process of its own because Paddle Lite aborts.

``look.py ASKED.json ANSWER.json``: ASKED has ``model`` (ONNX), ``paddle`` (its folder), ``nb`` (for this
host, or empty) and ``precision``; ANSWER is ``{"parity", "layers", "names"}`` or ``{"error"}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, held, trained
from net import Lite, Paddle


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """Raises Refused."""
    reference = trained.read(Path(asked["model"]), tuple(asked["opsets"]))
    names = [t.name for t in reference.inputs], [t.name for t in reference.outputs]
    whole = Paddle(Path(asked["paddle"]), *names)
    net = Lite(Path(asked["nb"]), *names) if asked["nb"] else whole
    pairs = ((net.answers(feeds), reference.run(feeds)) for feeds in trained.draws(reference))
    tool = "Paddle Lite" if asked["nb"] else "Paddle"
    layers = [operator for operator in whole.operators if operator not in ("feed", "fetch")]
    return {"parity": held.hold(tool, asked["precision"], pairs), "layers": layers, "names": whole.names}


if __name__ == "__main__":
    try:
        answer = main(json.loads(Path(sys.argv[1]).read_text()))
    except Refused as refused:
        answer = {"error": refused.as_json()}
    Path(sys.argv[2]).write_text(json.dumps(answer))
