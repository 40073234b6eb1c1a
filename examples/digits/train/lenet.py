"""LeNet-5 (LeCun et al. 1998, with ReLU and max pooling) and Adam, in numpy: forward and back.

A layer keeps what its backward pass needs; ``weights`` and ``grads`` are lists side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Layer:
    """Something with a forward and a backward pass; without weights unless it sets them."""

    def __init__(self) -> None:
        self.weights: list[Floats] = []
        self.grads: list[Floats] = []

    def forward(self, x: Floats) -> Floats:
        raise NotImplementedError

    def backward(self, grad: Floats) -> Floats:
        """The gradient at the output to the one at the input; sets ``grads``."""
        raise NotImplementedError


class Conv(Layer):
    """k×k convolution with zero padding, by im2col; weights (out, in, k, k) and (out,)."""

    def __init__(self, rng: np.random.Generator, inside: int, out: int, k: int, pad: int) -> None:
        super().__init__()
        self.k, self.pad = k, pad
        self.weights = [_he(rng, (out, inside, k, k), inside * k * k), np.zeros(out, np.float32)]

    def forward(self, x: Floats) -> Floats:
        p, k = self.pad, self.k
        self.padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = np.lib.stride_tricks.sliding_window_view(self.padded, (k, k), axis=(2, 3))
        n, _, h, w = windows.shape[:4]
        self.columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, -1)
        weight, bias = self.weights
        y = self.columns @ weight.reshape(len(weight), -1).T + bias
        return y.reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, grad: Floats) -> Floats:
        weight, _ = self.weights
        n, out, h, w = grad.shape
        rows = grad.transpose(0, 2, 3, 1).reshape(-1, out)
        self.grads = [(rows.T @ self.columns).reshape(weight.shape), rows.sum(axis=0)]
        columns = (rows @ weight.reshape(out, -1)).reshape(n, h, w, *weight.shape[1:])
        back = np.zeros_like(self.padded)
        for i in range(self.k):
            for j in range(self.k):
                back[:, :, i : i + h, j : j + w] += columns[..., i, j].transpose(0, 3, 1, 2)
        p = self.pad
        return back[:, :, p : back.shape[2] - p, p : back.shape[3] - p]


class Dense(Layer):
    """y = x @ weight.T + bias; weights (out, in) and (out,), as ONNX's Gemm with transB."""

    def __init__(self, rng: np.random.Generator, inside: int, out: int) -> None:
        super().__init__()
        self.weights = [_he(rng, (out, inside), inside), np.zeros(out, np.float32)]

    def forward(self, x: Floats) -> Floats:
        self.x = x
        return x @ self.weights[0].T + self.weights[1]

    def backward(self, grad: Floats) -> Floats:
        self.grads = [grad.T @ self.x, grad.sum(axis=0)]
        return grad @ self.weights[0]


class Relu(Layer):
    def forward(self, x: Floats) -> Floats:
        self.on = x > 0
        return x * self.on

    def backward(self, grad: Floats) -> Floats:
        return grad * self.on


class Pool(Layer):
    """2×2 maximum, stride 2, even sizes."""

    def forward(self, x: Floats) -> Floats:
        n, c, h, w = x.shape
        self.blocks = x.reshape(n, c, h // 2, 2, w // 2, 2)
        self.peak = self.blocks.max(axis=(3, 5), keepdims=True)
        return np.asarray(self.peak.reshape(n, c, h // 2, w // 2))

    def backward(self, grad: Floats) -> Floats:
        winners = self.blocks == self.peak  # equal winners share the gradient
        shared = grad.reshape(self.peak.shape) / winners.sum(axis=(3, 5), keepdims=True)
        n, c, h, _, w, _ = self.blocks.shape
        return np.asarray(winners * shared, np.float32).reshape(n, c, 2 * h, 2 * w)


class Flatten(Layer):
    def forward(self, x: Floats) -> Floats:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, grad: Floats) -> Floats:
        return grad.reshape(self.shape)


def lenet5(rng: np.random.Generator) -> list[Layer]:
    """(N, 1, 28, 28) to logits (N, 10)."""
    return [
        *(Conv(rng, 1, 6, 5, pad=2), Relu(), Pool()),
        *(Conv(rng, 6, 16, 5, pad=0), Relu(), Pool()),
        *(Flatten(), Dense(rng, 400, 120), Relu(), Dense(rng, 120, 84), Relu()),
        Dense(rng, 84, 10),
    ]


def forward(layers: list[Layer], x: Floats) -> Floats:
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers: list[Layer], grad: Floats) -> None:
    for layer in reversed(layers):
        grad = layer.backward(grad)


def _he(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Floats:
    """He et al. 2015, equation 10."""
    return np.asarray(rng.standard_normal(shape) * np.sqrt(2 / fan_in), np.float32)


@dataclass
class Adam:
    """Kingma and Ba 2015, with decoupled weight decay on matrices (Loshchilov and Hutter 2019)."""

    decay: float = 0.01
    step: int = 0
    first: list[Floats] = field(default_factory=list)
    second: list[Floats] = field(default_factory=list)

    def update(self, layers: list[Layer], rate: float) -> None:
        """One step of size ``rate``, in place."""
        pairs = [p for layer in layers for p in zip(layer.weights, layer.grads, strict=True)]
        if not self.first:
            self.first = [np.zeros_like(w) for w, _ in pairs]
            self.second = [np.zeros_like(w) for w, _ in pairs]
        self.step += 1
        unbias1, unbias2 = 1 - 0.9**self.step, 1 - 0.999**self.step
        for (weight, grad), m, v in zip(pairs, self.first, self.second, strict=True):
            m += 0.1 * (grad - m)
            v += 0.001 * (grad * grad - v)
            if weight.ndim > 1:
                weight *= 1 - rate * self.decay
            weight -= rate * (m / unbias1) / (np.sqrt(v / unbias2) + 1e-8)
