"""The test networks of torchscript-onnx and torch-exported-onnx, seed 11: ``make_torch.py KIT FOLDER``.

Run in the recipe's environment; KIT is ``recipes/kit``. Writes ``torch.pt``, ``torch.pt2``, ``torch.npz``
(two inputs and what PyTorch itself computes on them), and files that are no networks.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

SHAPE = (1, 3, 32, 32)


def main(kit: Path, folder: Path) -> None:
    sys.path.insert(0, str(kit))
    from edgepack_recipe import no_cuda

    with tempfile.TemporaryDirectory() as work:
        no_cuda.stand_in(Path(work))
        write(folder)


def write(folder: Path) -> None:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8))
            self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4), nn.BatchNorm2d(8))
            self.prelu = nn.PReLU(8)
            self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)
            self.head = nn.Conv2d(20, 6, 1)
            self.dense = nn.Linear(12, 5)

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = nn.functional.leaky_relu(self.stem(images), 0.1)
            x = x + self.prelu(self.body(x))
            y = nn.functional.silu(self.down(x))
            up = nn.functional.interpolate(y, scale_factor=2.0, mode="nearest")
            both = self.head(torch.cat([x, up], 1))
            pooled = nn.functional.adaptive_avg_pool2d(y, 1).flatten(1)
            return both, torch.softmax(self.dense(pooled), 1)

    torch.manual_seed(11)
    net = Net()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):  # as after training: none of them 0 or 1
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
    net.eval()
    example = torch.randn(SHAPE)
    torch.jit.trace(net, example).save(str(folder / "torch.pt"))
    bare = torch.jit.trace(net, example, _store_inputs=False)
    torch.jit.save(bare, str(folder / "torch-shapeless.pt"))
    said = '{"inputs": {"photo": [1, 3, 32, 32]}, "outputs": ["boxes", "classes"]}'
    torch.jit.save(bare, str(folder / "torch-said.pt"), _extra_files={"edgepack.json": said})
    torch.export.save(torch.export.export(net, (example,)), str(folder / "torch.pt2"))
    torch.save(net.state_dict(), str(folder / "torch-weights.pt"))
    torch.save(net.stem, str(folder / "torch-module.pt"))
    inputs = np.random.default_rng(11).standard_normal((2, *SHAPE[1:])).astype(np.float32)
    with torch.no_grad():
        both, classes = net(torch.from_numpy(inputs))
    np.savez(folder / "torch.npz", images=inputs, output0=both.numpy(), output1=classes.numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
