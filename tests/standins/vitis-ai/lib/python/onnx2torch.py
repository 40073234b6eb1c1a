"""Stand-in for onnx2torch.convert(model): github.com/ENOT-AutoDL/onnx2torch, README; unknown operators:
NotImplementedError: Converter is not implemented (OperationDescription(...)).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(next(f for f in Path(__file__).resolve().parents if (f / "standin.py").is_file())))
import standin
import torch


class GraphModule(torch.nn.Module):
    def __init__(self, graph, path):
        self.graph, self.path = graph, path

    def forward(self, x):
        dims = next(iter(self.graph.inputs.values()))
        if list(x.shape)[1:] != dims[1:]:
            raise RuntimeError(f"shape {tuple(x.shape)} does not fit {dims}")
        return x


def convert(model):
    standin.begin()
    graph = standin.Graph(model)
    if bad := graph.unsupported(standin.CONTROL_FLOW):
        raise NotImplementedError(
            f"Converter is not implemented (OperationDescription(domain='{bad[0].domain}', "
            f"operation_type='{bad[0].type}', version={graph.opset}))"
        )
    return GraphModule(graph, Path(model))
