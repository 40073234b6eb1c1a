"""Parser of the stand-in: see the package."""

from pathlib import Path

import standin
from magicmind.python.runtime import ModelKind, Status, _bad


class Parser:
    def __init__(self, kind):
        self.kind = kind

    def parse(self, network, *files):
        if self.kind is not ModelKind.kOnnx:
            return _bad("only ONNX is stood in for")
        try:
            graph = standin.Graph(files[0])
        except (OSError, standin.NotAModel) as error:
            return _bad(f"parse failed: {error}")
        if bad := graph.unsupported(standin.CONTROL_FLOW):
            print(f"[ERROR] [magicmind] Unsupported op type: {bad[0].type}")
            return _bad(f"unsupported op {bad[0].type}")
        network.graph, network.path = graph, Path(files[0])
        return Status.OK()
