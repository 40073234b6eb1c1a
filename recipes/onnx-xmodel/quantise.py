"""Quantises an ONNX model with Vitis AI's PyTorch quantiser. ``quantise.py calib|test MODEL LIST FOLDER``

Runs in the toolkit's own Python, once in each mode. Calls by AMD's UG1414; the ONNX model becomes a module
by onnx2torch, since the quantiser takes modules alone.
"""

import sys

import numpy as np
import torch
from onnx2torch import convert
from pytorch_nndct.apis import torch_quantizer


class Model(torch.nn.Module):
    """Gives the xmodel its name: the quantiser calls it after the module's class."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def samples(listed):
    with open(listed) as handle:
        for line in handle:
            yield torch.from_numpy(np.load(line.split()[0]))


def main(mode, model, listed, folder):
    module = Model(convert(model)).eval()
    fed = list(samples(listed))
    device = torch.device("cpu")
    quantizer = torch_quantizer(mode, module, (fed[0],), output_dir=folder, device=device)
    quantised = quantizer.quant_model
    with torch.no_grad():
        for sample in fed if mode == "calib" else fed[:1]:
            quantised(sample)
    if mode == "calib":
        quantizer.export_quant_config()
    else:
        quantizer.export_xmodel(output_dir=folder, deploy_check=False)


if __name__ == "__main__":
    main(*sys.argv[1:5])
