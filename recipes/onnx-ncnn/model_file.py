"""ncnn's two files, read and written: a ``.param`` names the layers, a ``.bin`` holds their weights in order.

Layout by ncnn 1.0.20261020: ``src/net.cpp`` (.param), ``src/modelbin.cpp`` (tags) and the ``load_model`` of
each layer in ``src/layer``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from edgepack_recipe import Refused

MAGIC = "7767517"
FLOAT16, BFLOAT16, INT8, FLOAT32 = 0x01306B47, 0x01348B83, 0x000D4B38, 0x0002C056  # modelbin.cpp
QUANTISABLE = ("Convolution", "ConvolutionDepthWise", "InnerProduct")
# Layers with weights that this file does not know how to measure; all others not below have none.
OTHERS = {
    *("ConvolutionDepthWise3D", "DeformableConv2D", "Dequantize", "Embed", "GRU", "LSTM", "RNN"),
    *("MultiHeadAttention", "Padding", "Quantize", "Requantize", "DeconvolutionDepthWise3D"),
}
CONVOLUTIONS = {
    *("Convolution", "ConvolutionDepthWise", "Convolution1D", "ConvolutionDepthWise1D", "Convolution3D"),
    *("Deconvolution", "DeconvolutionDepthWise", "Deconvolution1D", "DeconvolutionDepthWise1D"),
    "Deconvolution3D",
}
VECTORS = {  # layer → the parameter with its vectors' length, how many there are, the one that says if any
    "BatchNorm": (0, 4, None),
    "Bias": (0, 1, None),
    "PReLU": (0, 1, None),
    "Normalize": (3, 1, None),
    "LayerNorm": (0, 2, 2),
    "InstanceNorm": (0, 2, 2),
    "GroupNorm": (1, 2, 3),
    "RMSNorm": (0, 1, 2),
}


@dataclass(frozen=True)
class Layer:
    """A line of the .param. params: as written, by number; an array's has a key below −23300."""

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: dict[int, str]

    def number(self, key: int, default: int = 0) -> int:
        """A whole-number parameter."""
        return int(self.params.get(key, default))

    def with_param(self, key: int, value: int) -> Layer:
        return replace(self, params={**self.params, key: str(value)})

    def line(self) -> str:
        params = " ".join(f"{key}={value}" for key, value in self.params.items())
        counts = f"{len(self.inputs)} {len(self.outputs)}"
        return " ".join(
            [f"{self.type:<24} {self.name:<24}", counts, *self.inputs, *self.outputs, params]
        ).rstrip()


@dataclass(frozen=True)
class Weights:
    """What a quantisable layer keeps: its weights (outputs, the rest) and its bias, if it has one."""

    matrix: np.ndarray
    bias: np.ndarray | None


def parse(text: str) -> list[Layer]:
    """The layers of a .param, in order."""
    layers = []
    for line in text.splitlines()[2:]:
        words = line.split()
        if not words:
            continue
        first, second = int(words[2]), int(words[3])
        rest = words[4:]
        params = {
            int(key): value for key, _, value in (word.partition("=") for word in rest[first + second :])
        }
        inputs, outputs = tuple(rest[:first]), tuple(rest[first : first + second])
        layers.append(Layer(words[0], words[1], inputs, outputs, params))
    return layers


def written(layers: Sequence[Layer]) -> str:
    """The .param of these layers."""
    blobs = len({name for layer in layers for name in layer.outputs})
    return "\n".join([MAGIC, f"{len(layers)} {blobs}", *(layer.line() for layer in layers)]) + "\n"


def sections(layers: Sequence[Layer], data: bytes) -> list[bytes]:
    """The part of the .bin that belongs to each layer. Raises Refused where one's size is not known."""
    found = []
    at = 0
    for layer in layers:
        end = at
        for count, tagged in _arrays(layer):
            end += _tagged_size(data, end, count) if tagged else 4 * count
        found.append(data[at:end])
        at = end
    if at != len(data):
        what = "the weights that pnnx wrote have another size than their layers say"
        raise Refused("converter-failed", what, f"{at} of {len(data)} bytes are accounted for", "use fp16")
    return found


def _arrays(layer: Layer) -> list[tuple[int, bool]]:
    """How many numbers each of its arrays has, and whether a tag says their type (else float32)."""
    kind, number = layer.type, layer.number
    if kind in CONVOLUTIONS:
        return _with_bias(number(6), number(0) if number(5) else 0)
    if kind == "InnerProduct":
        return _with_bias(number(2), number(0) if number(1) else 0)
    if kind == "Scale":
        none = number(0) == -233
        return [] if none else [(number(0), False)] * (2 if number(1) else 1)
    if kind in VECTORS:
        length, count, switch = VECTORS[kind]
        return [] if switch is not None and not number(switch, 1) else [(number(length), False)] * count
    if kind == "MemoryData":
        return [(math.prod(number(key) or 1 for key in (0, 1, 11, 2)), number(21, 1) == 0)]
    if kind == "Gemm":
        return _gemm(layer)
    if kind in OTHERS and not (kind == "Padding" and not number(8)):
        what = f"int8 is not written for a model with ncnn's layer {kind} ({layer.name})"
        raise Refused("unsupported-operator", what, fix="use fp16, or ONNX Runtime's int8")
    return []


def _with_bias(weights: int, bias: int) -> list[tuple[int, bool]]:
    return [(weights, True), (bias, False)] if bias else [(weights, True)]


def _gemm(layer: Layer) -> list[tuple[int, bool]]:
    rows, columns, inner = (layer.number(key) for key in (7, 8, 9))
    arrays = []
    if layer.number(4):
        arrays.append((rows * inner, True))
    if layer.number(5):
        arrays.append((columns * inner, True))
    if layer.number(6) and layer.number(10) != -1:
        of_kind = {0: 1, 1: rows, 2: rows, 3: rows * columns, 4: columns}
        arrays.append((of_kind[layer.number(10)], True))
    return arrays


def _tagged_size(data: bytes, at: int, count: int) -> int:
    tag = int.from_bytes(data[at : at + 4], "little")
    each = {FLOAT16: 2, BFLOAT16: 2, INT8: 1}.get(tag, 4)
    return 4 + (count * each + 3) // 4 * 4


def weights(layer: Layer, section: bytes) -> Weights:
    """A quantisable layer's weights as pnnx wrote them, in fp32. Raises Refused for another type."""
    outputs = layer.number(0)
    size = layer.number(2 if layer.type == "InnerProduct" else 6)
    tag = int.from_bytes(section[:4], "little")
    if tag not in (0, FLOAT32):
        raise Refused("converter-failed", f"the weights of {layer.name} are not float32 (tag {tag:#x})")
    matrix = np.frombuffer(section, "<f4", size, 4).reshape(outputs, -1)
    left = section[4 + 4 * size :]
    return Weights(matrix, np.frombuffer(left, "<f4") if left else None)
