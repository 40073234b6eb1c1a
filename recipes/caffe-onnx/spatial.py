"""Caffe's layers that slide a window: convolution, deconvolution, pooling, local normalisation."""

from __future__ import annotations

import math

from net import Layer, Net
from prototxt import Message


def pair(said: Message, name: str, default: int, short: str = "") -> list[int]:
    """(height, width) of ``kernel_size`` and the like: repeated, single, or ``kernel_h`` and ``kernel_w``."""
    short = short or name
    given = [int(n) for n in said.all(name)] or [default]
    both = given if len(given) == 2 else given[:1] * 2
    return [int(said.get(f"{short}_h", both[0])), int(said.get(f"{short}_w", both[1]))]


def convolution(net: Net, layer: Layer) -> str:
    """Convolution and Deconvolution: weights (out, in / group, h, w), and (in, out / group, h, w)."""
    said, bottom = layer.param("convolution"), net.bottom(layer)
    if int(said.get("axis", 1)) != 1 or len(net.shape(bottom)) != 4:
        raise layer.refuse("a convolution that is not over height and width")
    turned = layer.kind == "Deconvolution"
    inside, out, group = net.shape(bottom)[1], int(said.get("num_output", 0)), int(said.get("group", 1))
    kernel, pad = pair(said, "kernel_size", 1, "kernel"), pair(said, "pad", 0)
    shape = (inside, out // group, *kernel) if turned else (out, inside // group, *kernel)
    inputs = [bottom, net.weight(layer, "w", layer.blob(0, *shape))]
    if said.flag("bias_term", True):
        inputs.append(net.weight(layer, "b", layer.blob(1, out)))
    return net.graph.add(
        "ConvTranspose" if turned else "Conv",
        inputs,
        layer.name,
        kernel_shape=kernel,
        strides=pair(said, "stride", 1),
        dilations=pair(said, "dilation", 1),
        pads=[*pad, *pad],
        group=group,
    )


def pooling(net: Net, layer: Layer) -> str:
    """Caffe rounds the output's size up, and leaves a last window out that would begin in the padding."""
    said, bottom = layer.param("pooling"), net.bottom(layer)
    method = str(said.get("pool", "MAX"))
    if method not in ("MAX", "AVE", "0", "1"):
        raise layer.refuse(f"pool: {method}")
    average = method in ("AVE", "1")
    if said.flag("global_pooling", False):
        return net.graph.add("GlobalAveragePool" if average else "GlobalMaxPool", [bottom], layer.name)
    kernel, stride, pad = (
        pair(said, "kernel_size", 1, "kernel"),
        pair(said, "stride", 1),
        pair(said, "pad", 0),
    )
    up = str(said.get("round_mode", "CEIL")) in ("CEIL", "0")
    after = [_after(layer, net.shape(bottom)[2 + n], (kernel[n], stride[n], pad[n]), up) for n in range(2)]
    how = {"kernel_shape": kernel, "strides": stride}
    if not average:
        return net.graph.add("MaxPool", [bottom], layer.name, pads=[*pad, *after], **how)
    if after == pad or pad == [0, 0]:
        counted = int(after == pad)
        return net.graph.add(
            "AveragePool", [bottom], layer.name, pads=[*pad, *after], count_include_pad=counted, **how
        )
    # The padding counts, what is beyond it because of rounding up does not: ONNX has one rule for both
    ends = net.whole(layer, "pads", [0, 0, *pad, 0, 0, *pad])
    padded = net.graph.add("Pad", [bottom, ends], f"{layer.name}_padded")
    beyond = [max(0, a - p) for a, p in zip(after, pad)]  # noqa: B905 - Python 3.8
    return net.graph.add("AveragePool", [padded], layer.name, pads=[0, 0, *beyond], **how)


def _after(layer: Layer, size: int, how: tuple[int, int, int], up: bool) -> int:
    """The padding behind that makes ONNX's floor give Caffe's size (PoolingLayer::Reshape)."""
    kernel, stride, pad = how
    rounded = math.ceil if up else math.floor
    count = int(rounded((size + 2 * pad - kernel) / stride)) + 1
    if pad and (count - 1) * stride >= size + pad:
        count -= 1
    after = (count - 1) * stride + kernel - size - pad
    if count < 1 or after >= kernel:
        raise layer.refuse(
            f"a window of {kernel} at every {stride} over {size}, the last of which is outside,"
        )
    return max(0, after)


def local_response(net: Net, layer: Layer) -> str:
    said = layer.param("lrn")
    if str(said.get("norm_region", "ACROSS_CHANNELS")) not in ("ACROSS_CHANNELS", "0"):
        raise layer.refuse("norm_region: WITHIN_CHANNEL")
    return net.graph.add(
        "LRN",
        [net.bottom(layer)],
        layer.name,
        size=int(said.get("local_size", 5)),
        alpha=float(said.get("alpha", 1.0)),
        beta=float(said.get("beta", 0.75)),
        bias=float(said.get("k", 1.0)),
    )


def upsample(net: Net, layer: Layer) -> str:
    """Not one of Caffe's own: the nearest value, as forks and YOLO conversions have it."""
    said = layer.param("upsample")
    if len(layer.bottoms) != 1 or not float(said.get("scale", 0)) >= 1:
        raise layer.refuse("upsampling by a mask, or without scale,")
    scale = float(said.get("scale"))
    scales = net.graph.constant(f"{layer.name}_scales", [1, 1, scale, scale])
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return net.graph.add("Resize", [net.bottom(layer), "", scales], layer.name, **how)
