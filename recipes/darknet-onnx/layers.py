"""Each of Darknet's layers as ONNX operators. Facts: Darknet's source, file by layer
(src/<layer>_layer.c)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from cfg import Section
from edgepack_recipe import Refused
from edgepack_recipe.onnx_graph import Graph
from weights import Weights

EPSILON = 1e-6  # normalize_cpu in src/blas.c
ONES = {
    "relu": ("Relu", {}),
    "leaky": ("LeakyRelu", {"alpha": 0.1}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {}),
}
# What changes the result and is not handled: refused where it is set
REFUSED = {
    "convolutional": ("binary", "xnor", "bin_output", "share_index", "antialiasing", "deform",
                      "stretch", "sway",
                      "rotate", "assisted_excitation", "flipped"),
    "maxpool": ("maxpool_depth", "antialiasing"),
    "shortcut": ("weights_type",),
    "scale_channels": ("scale_wh",),
    "upsample": ("reverse",),
}  # fmt: skip


@dataclass
class Net:
    """What was built so far. made: each layer's tensor; heads: those that the network answers with."""

    graph: Graph
    weights: Weights
    made: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @property
    def last(self) -> str:
        return self.made[-1] if self.made else self.graph.inputs[0].name

    def shape(self, tensor: str) -> tuple[int, ...]:
        return self.graph.shapes[tensor]

    def earlier(self, layer: Section, said: int) -> str:
        """The tensor of a layer by its number, or by how far back it is where negative. Raises Refused."""
        number = layer.number + said if said < 0 else said
        if not 0 <= number < len(self.made):
            raise Refused("not-a-model", f"there is no layer {number} before {layer.place}")
        return self.made[number]


def add(net: Net, layer: Section) -> None:
    """Raises Refused for a layer that is not known, or that is told to do what is not."""
    if layer.kind not in LAYERS:
        raise Refused(
            "unsupported-operator",
            f"{layer.place}: this layer cannot be converted",
            fix="what can: " + ", ".join(sorted(LAYERS)),
        )
    for key in REFUSED.get(layer.kind, ()):
        if layer.text(key, "0") not in ("0", "none", ""):
            what = f"{layer.place}: {key}={layer.values[key]} cannot be converted"
            raise Refused("unsupported-operator", what)
    net.made.append(LAYERS[layer.kind](net, layer))


def activate(net: Net, layer: Section, tensor: str, default: str) -> str:
    kind = layer.text("activation", default)
    name = f"{layer.kind}_{layer.number}_{kind}"
    add_node = net.graph.add
    if kind == "linear":
        return tensor
    if kind in ONES:
        operator, attributes = ONES[kind]
        return add_node(operator, [tensor], name, **attributes)
    if kind == "relu6":
        bounds = [net.graph.constant(f"{name}_{n}", n) for n in (0, 6)]
        return add_node("Clip", [tensor, *bounds], name)
    if kind in ("swish", "silu"):
        gate = add_node("Sigmoid", [tensor], f"{name}_gate")
        return add_node("Mul", [tensor, gate], name)
    if kind == "mish":  # Misra 2019: x tanh(log(1 + e^x))
        soft = add_node("Softplus", [tensor], f"{name}_softplus")
        gate = add_node("Tanh", [soft], f"{name}_gate")
        return add_node("Mul", [tensor, gate], name)
    known = ", ".join(sorted({*ONES, "linear", "relu6", "swish", "mish"}))
    raise Refused("unsupported-operator", f"{layer.place}: activation={kind} cannot be converted", fix=known)


def convolutional(net: Net, layer: Section) -> str:
    channels = net.shape(net.last)[1]
    filters, size = layer.whole("filters", 1), layer.whole("size", 1)
    groups, dilation = layer.whole("groups", 1), layer.whole("dilation", 1)
    stride = layer.whole("stride", 1)
    strides = [layer.whole("stride_y", stride), layer.whole("stride_x", stride)]
    pad = size // 2 * dilation if layer.whole("pad", 0) else layer.whole("padding", 0)
    if groups < 1 or channels % groups or filters % groups:
        raise Refused("not-a-model", f"{layer.place}: {channels} channels are not {groups} groups")
    normalised = bool(layer.whole("batch_normalize", 0))
    bias = net.weights.take(layer, filters)
    norm = [net.weights.take(layer, filters) for _ in range(3)] if normalised else []
    weight = net.weights.take(layer, filters, channels // groups, size, size)
    name = f"conv_{layer.number}"
    inputs = [net.last, net.graph.constant(f"{name}_w", weight)]
    if not normalised:
        inputs.append(net.graph.constant(f"{name}_b", bias))
    made = net.graph.add(
        "Conv",
        inputs,
        name,
        kernel_shape=[size, size],
        strides=strides,
        pads=[pad] * 4,
        dilations=[dilation] * 2,
        group=groups,
    )
    if normalised:
        made = normalise(net, name, made, (norm[0], bias, norm[1], norm[2]))
    return activate(net, layer, made, "logistic")


def normalise(net: Net, name: str, tensor: str, parts: tuple[np.ndarray, ...]) -> str:
    """parts: scale, bias, mean, variance."""
    kinds = zip(("scale", "bias", "mean", "var"), parts)  # noqa: B905 - Python 3.8
    names = [net.graph.constant(f"{name}_{kind}", value) for kind, value in kinds]
    return net.graph.add("BatchNormalization", [tensor, *names], f"{name}_norm", epsilon=EPSILON)


def connected(net: Net, layer: Section) -> str:
    flat = flatten(net, layer)
    inside, out = net.shape(flat)[1], layer.whole("output", 1)
    bias = net.weights.take(layer, out)
    weight = net.weights.take(layer, out, inside)
    name = f"dense_{layer.number}"
    inputs = [flat, net.graph.constant(f"{name}_w", weight)]
    if layer.whole("batch_normalize", 0):
        scale, mean, variance = (net.weights.take(layer, out) for _ in range(3))
        made = net.graph.add("Gemm", inputs, name, transB=1)
        made = normalise(net, name, made, (scale, bias, mean, variance))
    else:
        made = net.graph.add("Gemm", [*inputs, net.graph.constant(f"{name}_b", bias)], name, transB=1)
    return activate(net, layer, made, "logistic")


def flatten(net: Net, layer: Section) -> str:
    if len(net.shape(net.last)) == 2:
        return net.last
    return net.graph.add("Flatten", [net.last], f"flat_{layer.number}", axis=1)


def maxpool(net: Net, layer: Section) -> str:
    """Darknet pads ``padding`` in all, the smaller half before: src/maxpool_layer.c."""
    stride = layer.whole("stride", 1)
    size = layer.whole("size", stride)
    padding = layer.whole("padding", size - 1)
    before = padding // 2
    return net.graph.add(
        "MaxPool",
        [net.last],
        f"maxpool_{layer.number}",
        kernel_shape=[size, size],
        strides=[layer.whole("stride_y", stride), layer.whole("stride_x", stride)],
        pads=[before, before, padding - before, padding - before],
    )


def avgpool(net: Net, layer: Section) -> str:
    return net.graph.add("GlobalAveragePool", [net.last], f"avgpool_{layer.number}")


def route(net: Net, layer: Section) -> str:
    sources = [net.earlier(layer, said) for said in layer.wholes("layers", [])]
    groups, group = layer.whole("groups", 1), layer.whole("group_id", 0)
    if not sources or not 0 <= group < groups:
        raise Refused("not-a-model", f"{layer.place}: layers or group_id are wrong")
    name = f"route_{layer.number}"
    parts = []
    for number, source in enumerate(sources):
        channels = net.shape(source)[1]
        if groups == 1:
            parts.append(source)
            continue
        if channels % groups:
            raise Refused("not-a-model", f"{layer.place}: {channels} channels are not {groups} groups")
        each = channels // groups
        bounds = {"from": group * each, "to": (group + 1) * each, "axis": 1}
        names = [net.graph.constant(f"{name}_{number}_{k}", [v], np.int64) for k, v in bounds.items()]
        parts.append(net.graph.add("Slice", [source, *names], f"{name}_{number}"))
    return parts[0] if len(parts) == 1 else net.graph.add("Concat", parts, name, axis=1)


def shortcut(net: Net, layer: Section) -> str:
    made = net.last
    for number, said in enumerate(layer.wholes("from", [])):
        other = net.earlier(layer, said)
        if net.shape(other) != net.shape(made):
            what = f"{layer.place}: it adds {list(net.shape(made))} and {list(net.shape(other))}"
            why = "Darknet would add the part that both have, which ONNX cannot say"
            raise Refused("unsupported-operator", what, why)
        made = net.graph.add("Add", [made, other], f"shortcut_{layer.number}" + f"_{number}" * bool(number))
    return activate(net, layer, made, "linear")


def multiplied(net: Net, layer: Section) -> str:
    """Channels, or every value, of an earlier layer scaled by this one (squeeze and excitation; SAM)."""
    other = net.earlier(layer, layer.whole("from", -1))
    made = net.graph.add("Mul", [other, net.last], f"{layer.kind}_{layer.number}")
    return activate(net, layer, made, "linear")


def upsample(net: Net, layer: Section) -> str:
    stride, scale = layer.whole("stride", 2), layer.number_of("scale", 1.0)
    name = f"upsample_{layer.number}"
    if stride < 1 or scale != 1.0:
        raise Refused(
            "unsupported-operator", f"{layer.place}: stride={stride}, scale={scale:g} cannot be converted"
        )
    scales = net.graph.constant(f"{name}_scales", [1, 1, stride, stride])
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return net.graph.add("Resize", [net.last, "", scales], name, **how)


def softmax(net: Net, layer: Section) -> str:
    if layer.whole("groups", 1) != 1 or layer.number_of("temperature", 1.0) != 1.0 or "tree" in layer.values:
        what = f"{layer.place}: groups, temperature and tree cannot be converted"
        raise Refused("unsupported-operator", what)
    spatial = bool(layer.whole("spatial", 0))
    tensor = net.last if spatial else flatten(net, layer)
    return net.graph.add("Softmax", [tensor], f"softmax_{layer.number}", axis=1)


def same(net: Net, layer: Section) -> str:
    """Dropout and cost do nothing but in training."""
    return net.last


def head(net: Net, layer: Section) -> str:
    """What comes into the layer is the output: boxes are decoded by the project's own ``post``."""
    name = net.graph.add("Identity", [net.last], f"{layer.kind}_{layer.number}")
    net.heads.append(name)
    return name


LAYERS: dict[str, Callable[[Net, Section], str]] = {
    "convolutional": convolutional,
    "conv": convolutional,
    "connected": connected,
    "conn": connected,
    "maxpool": maxpool,
    "max": maxpool,
    "avgpool": avgpool,
    "avg": avgpool,
    "route": route,
    "shortcut": shortcut,
    "scale_channels": multiplied,
    "sam": multiplied,
    "upsample": upsample,
    "softmax": softmax,
    "soft": softmax,
    "dropout": same,
    "cost": same,
    "yolo": head,
    "gaussian_yolo": head,
    "region": head,
    "detection": head,
}
