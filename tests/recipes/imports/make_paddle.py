"""The test network of paddle-onnx, seed 13: ``make_paddle.py FOLDER``.

Run in the recipe's environment. Writes ``paddle.json`` and ``paddle.pdiparams``, and ``paddle.npz``: two
inputs and what Paddle itself computes on them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SHAPE = (1, 3, 32, 32)


def main(folder: Path) -> None:
    import paddle
    from paddle import nn
    from paddle.nn import functional

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2D(3, 8, 3, stride=2, padding=1, bias_attr=False)
            self.norm = nn.BatchNorm2D(8)
            self.body = nn.Conv2D(8, 8, 3, padding=2, dilation=2, groups=4)
            self.norm2 = nn.BatchNorm2D(8)
            self.down = nn.Conv2D(8, 12, 3, stride=2, padding=1)
            self.head = nn.Conv2D(20, 6, 1)
            self.dense = nn.Linear(12, 5)

        def forward(self, images):  # type: ignore[no-untyped-def]
            x = functional.leaky_relu(self.norm(self.stem(images)), 0.1)
            x = x + functional.relu(self.norm2(self.body(x)))
            y = functional.hardswish(self.down(x))
            up = functional.interpolate(y, scale_factor=2, mode="nearest")
            near = self.head(paddle.concat([x, up], axis=1))
            pooled = paddle.flatten(functional.adaptive_avg_pool2d(functional.max_pool2d(y, 2), 1), 1)
            return near, functional.softmax(self.dense(pooled), axis=1)

    paddle.seed(13)
    rng = np.random.default_rng(13)
    net = Net()
    for norm in (net.norm, net.norm2):  # as after training: none of them 0 or 1
        for value, low, high in (
            (norm.weight, 0.5, 1.5),
            (norm.bias, -0.1, 0.1),
            (norm._mean, -0.1, 0.1),
            (norm._variance, 0.5, 1.5),
        ):
            value.set_value(rng.uniform(low, high, 8).astype(np.float32))
    net.eval()
    spec = paddle.static.InputSpec(SHAPE, "float32", "images")
    paddle.jit.save(net, str(folder / "paddle"), input_spec=[spec])
    inputs = rng.standard_normal((2, *SHAPE[1:])).astype(np.float32)
    near, classes = net(paddle.to_tensor(inputs))
    np.savez(folder / "paddle.npz", images=inputs, near=near.numpy(), classes=classes.numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
