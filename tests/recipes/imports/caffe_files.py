"""A Caffe network with seeded weights: a prototxt, and a caffemodel written in protobuf's wire format."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

DEPLOY = """name: "mixed"   # a comment
input: "data"
input_shape { dim: 1 dim: 3 dim: 33 dim: 33 }
layer { name: "stem" type: "Convolution" bottom: "data" top: "stem"
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 bias_term: false } }
layer { name: "stem_norm" type: "BatchNorm" bottom: "stem" top: "stem" batch_norm_param { use_global_stats: true } }
layer { name: "stem_scale" type: "Scale" bottom: "stem" top: "stem" scale_param { bias_term: true } }
layer { name: "stem_relu" type: "ReLU" bottom: "stem" top: "stem" relu_param { negative_slope: 0.1 } }
layer { name: "lrn" type: "LRN" bottom: "stem" top: "lrn" lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 } }
layer { name: "body" type: "Convolution" bottom: "lrn" top: "body"
  convolution_param { num_output: 8 kernel_h: 3 kernel_w: 3 pad: 2 dilation: 2 group: 4 } }
layer { name: "body_prelu" type: "PReLU" bottom: "body" top: "body" }
layer { name: "sum" type: "Eltwise" bottom: "lrn" bottom: "body" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: 0.5 } }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "pool2" type: "Pooling" bottom: "sum" top: "pool2"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "pool3" type: "Pooling" bottom: "pool" top: "pool3" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "pool3" top: "up"
  convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 } }
layer { name: "up_sigmoid" type: "Sigmoid" bottom: "up" top: "up" }
layer { name: "parts" type: "Slice" bottom: "pool" top: "first" top: "second" slice_param { axis: 1 slice_point: 3 } }
layer { name: "both" type: "Concat" bottom: "second" bottom: "up" top: "both" concat_param { axis: 1 } }
layer { name: "near" type: "Convolution" bottom: "both" top: "near" convolution_param { num_output: 5 kernel_size: 1 } }
layer { name: "first_tanh" type: "TanH" bottom: "first" top: "first_tanh" }
layer { name: "dense" type: "InnerProduct" bottom: "pool2" top: "dense" inner_product_param { num_output: 7 } }
layer { name: "drop" type: "Dropout" bottom: "dense" top: "dense" dropout_param { dropout_ratio: 0.5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "dense" bottom: "label" top: "loss" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "dense" top: "prob" }
"""  # noqa: E501 - a line a layer  # noqa: E501

OLD = """name: "old"
input: "data" input_dim: 10 input_dim: 3 input_dim: 16 input_dim: 16
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1
  convolution_param { num_output: 4 kernel_size: 3 } }
layers { name: "r" type: RELU bottom: "c" top: "c" }
layers { name: "p" type: POOLING bottom: "c" top: "p" pooling_param { pool: AVE global_pooling: true } }
layers { name: "f" type: INNER_PRODUCT bottom: "p" top: "f" inner_product_param { num_output: 3 } }
layers { name: "s" type: SOFTMAX bottom: "f" top: "s" }
"""

Blobs = dict[str, list[np.ndarray]]


def blobs(seed: int = 3) -> Blobs:
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))

    def bias(n: int) -> np.ndarray:
        return rng.standard_normal(n) * 0.1

    norm = [rng.standard_normal(8) * 3, rng.uniform(5, 15, 8), np.array([10.0])]
    return {
        "stem": [weight(8, 3, 3, 3)],
        "stem_norm": norm,
        "stem_scale": [rng.uniform(0.5, 1.5, 8), bias(8)],
        "body": [weight(8, 2, 3, 3), bias(8)],
        "body_prelu": [rng.uniform(0.1, 0.4, 8)],
        "up": [weight(8, 6, 4, 4), bias(6)],
        "near": [weight(5, 11, 1, 1), bias(5)],
        "dense": [weight(7, 8 * 9 * 9) * 3, bias(7)],
    }


def old_blobs(seed: int = 4) -> Blobs:
    """As Caffe before 2014 kept them: always four axes."""
    rng = np.random.default_rng(seed)
    shapes = {"c": [(4, 3, 3, 3), (1, 1, 1, 4)], "f": [(1, 1, 3, 4), (1, 1, 1, 3)]}
    return {name: [rng.standard_normal(s) for s in both] for name, both in shapes.items()}


def write(folder: Path, prototxt: str, weights: Blobs, old: bool = False) -> tuple[Path, Path]:
    """``net.prototxt`` and ``net.caffemodel``."""
    parts = [_layer(name, arrays, old) for name, arrays in weights.items()]
    data = b"".join(_field(2 if old else 100, part) for part in parts)
    model, file = folder / "net.prototxt", folder / "net.caffemodel"
    model.write_text(prototxt)
    file.write_bytes(_field(1, b"net") + data)
    return model, file


def _layer(name: str, arrays: list[np.ndarray], old: bool) -> bytes:
    name_field, blobs_field = (4, 6) if old else (1, 7)
    return _field(name_field, name.encode()) + b"".join(_field(blobs_field, _blob(a, old)) for a in arrays)


def _blob(array: np.ndarray, old: bool) -> bytes:
    values = _field(5, np.asarray(array, "<f4").tobytes())
    if old:
        return b"".join(_varint(n << 3) + _varint(size) for n, size in enumerate(array.shape, 1)) + values
    return values + _field(7, _field(1, b"".join(_varint(size) for size in array.shape)))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return struct.pack(f"{len(parts) + 1}B", *parts, value)
