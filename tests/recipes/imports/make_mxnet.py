"""The test network of mxnet-onnx, seed 14: ``make_mxnet.py FOLDER``.

Run in the recipe's environment (Python 3.8). Writes ``mxnet-symbol.json``, ``mxnet-0000.params``, and
``mxnet.npz``: two inputs and what MXNet itself computes on them.
"""

import sys
from pathlib import Path

import mxnet as mx
import numpy as np

SHAPE = (1, 3, 32, 32)


def network():  # type: ignore[no-untyped-def]
    s = mx.sym
    data = s.var("data", shape=SHAPE)
    x = s.Convolution(data, name="stem", num_filter=8, kernel=(3, 3), stride=(2, 2), pad=(1, 1), no_bias=True)
    x = s.LeakyReLU(s.BatchNorm(x, name="norm", fix_gamma=False, eps=1e-3), act_type="leaky", slope=0.1)
    how = {"num_filter": 8, "kernel": (3, 3), "pad": (2, 2), "dilate": (2, 2), "num_group": 4}
    y = s.BatchNorm(s.Convolution(x, name="body", **how), name="norm2", fix_gamma=True)
    x = s.elemwise_add(x, s.Activation(y, act_type="relu"))
    y = s.Convolution(x, name="down", num_filter=12, kernel=(3, 3), stride=(2, 2), pad=(1, 1))
    y = s.broadcast_mul(y, s.Activation(y, act_type="sigmoid"))
    up = s.UpSampling(y, scale=2, sample_type="nearest", num_args=1)
    near = s.Convolution(s.Concat(x, up, dim=1), name="near", num_filter=6, kernel=(1, 1))
    pooled = s.Pooling(y, kernel=(2, 2), stride=(2, 2), pool_type="max")
    pooled = s.Pooling(pooled, global_pool=True, kernel=(1, 1), pool_type="avg")
    dense = s.FullyConnected(s.Flatten(pooled), name="dense", num_hidden=5)
    return s.Group([near, s.softmax(dense, axis=1, name="classes")])


def main(folder: Path) -> None:
    rng = np.random.default_rng(14)
    symbol = network()
    shapes, _, others = symbol.infer_shape(data=SHAPE)
    args, aux = {}, {}
    for name, shape in zip(symbol.list_arguments(), shapes):  # noqa: B905 - Python 3.8
        if name == "data":
            continue
        value = rng.standard_normal(shape) * np.sqrt(2 / max(1, np.prod(shape[1:])))
        if name.endswith("gamma"):
            value = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            value = rng.standard_normal(shape) * 0.1
        args[name] = mx.nd.array(value)
    for name, shape in zip(symbol.list_auxiliary_states(), others):  # noqa: B905 - Python 3.8
        spread = rng.uniform(0.5, 1.5, shape) if name.endswith("var") else rng.standard_normal(shape) * 0.1
        aux[name] = mx.nd.array(spread)
    mx.model.save_checkpoint(str(folder / "mxnet"), 0, symbol, args, aux)
    inputs = rng.standard_normal((2, *SHAPE[1:])).astype(np.float32)
    found = []
    for sample in inputs:
        bound = symbol.bind(mx.cpu(), {**args, "data": mx.nd.array(sample[None])}, aux_states=aux)
        found.append([value.asnumpy() for value in bound.forward(is_train=False)])
    near, classes = (np.concatenate([row[n] for row in found]) for n in range(2))
    np.savez(folder / "mxnet.npz", data=inputs, near=near, classes=classes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
