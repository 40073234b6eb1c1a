"""Caffe's layers that take every value, or every channel, on its own; and those that put blobs together."""

from __future__ import annotations

import numpy as np
from net import Layer, Net

ONES = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs", "BNLL": "Softplus", "Exp": "Exp", "Log": "Log"}


def one(net: Net, layer: Layer) -> str:
    for word in ("base", "scale", "shift"):
        if layer.param(layer.kind.lower()).get(word) is not None:
            raise layer.refuse(word)
    return net.graph.add(ONES[layer.kind], [net.bottom(layer)], layer.name)


def relu(net: Net, layer: Layer) -> str:
    slope = float(layer.param("relu").get("negative_slope", 0.0))
    if slope:
        return net.graph.add("LeakyRelu", [net.bottom(layer)], layer.name, alpha=slope)
    return net.graph.add("Relu", [net.bottom(layer)], layer.name)


def relu6(net: Net, layer: Layer) -> str:
    bounds = [net.graph.constant(f"{layer.name}_{n}", n) for n in (0, 6)]
    return net.graph.add("Clip", [net.bottom(layer), *bounds], layer.name)


def elu(net: Net, layer: Layer) -> str:
    alpha = float(layer.param("elu").get("alpha", 1.0))
    return net.graph.add("Elu", [net.bottom(layer)], layer.name, alpha=alpha)


def prelu(net: Net, layer: Layer) -> str:
    bottom = net.bottom(layer)
    slope = layer.blob(0, -1)
    spread = slope.reshape(-1, *(1,) * (len(net.shape(bottom)) - 2))
    return net.graph.add("PRelu", [bottom, net.weight(layer, "slope", spread)], layer.name)


def batch_norm(net: Net, layer: Layer) -> str:
    """Mean and variance are sums, to be divided by the third blob (BatchNormLayer::Forward_cpu)."""
    bottom = net.bottom(layer)
    channels = net.shape(bottom)[1]
    factor = float(layer.blob(2, 1)[0])
    part = 1.0 / factor if factor else 0.0
    values = {
        "scale": np.ones(channels),
        "bias": np.zeros(channels),
        "mean": layer.blob(0, channels) * part,
        "var": layer.blob(1, channels) * part,
    }
    names = [net.weight(layer, name, value) for name, value in values.items()]
    epsilon = float(layer.param("batch_norm").get("eps", 1e-5))
    return net.graph.add("BatchNormalization", [bottom, *names], layer.name, epsilon=epsilon)


def scale(net: Net, layer: Layer) -> str:
    """A factor a channel, and a summand; taken into a batch norm right before it that nothing else reads."""
    said, bottom = layer.param("scale"), net.bottom(layer)
    if len(layer.bottoms) == 2:
        return net.graph.add("Mul", [bottom, _below(net, layer, bottom)], layer.name)
    if int(said.get("axis", 1)) != 1 or int(said.get("num_axes", 1)) != 1:
        raise layer.refuse("axis or num_axes")
    channels = net.shape(bottom)[1]
    factor = layer.blob(0, channels)
    summand = layer.blob(1, channels) if said.flag("bias_term", False) else np.zeros(channels, np.float32)
    last = net.graph.nodes[-1] if net.graph.nodes else None
    alone = layer.bottoms[0] in layer.tops or net.uses.get(layer.bottoms[0]) == 1
    if last is not None and last.op_type == "BatchNormalization" and last.output[0] == bottom and alone:
        for name, value in ((last.input[1], factor), (last.input[2], summand)):
            net.graph.constant(name, value)
        return bottom
    shape = (channels, *(1,) * (len(net.shape(bottom)) - 2))
    factors = net.weight(layer, "w", factor.reshape(shape))
    if not said.flag("bias_term", False):
        return net.graph.add("Mul", [bottom, factors], layer.name)
    scaled = net.graph.add("Mul", [bottom, factors], f"{layer.name}_scaled")
    return net.graph.add("Add", [scaled, net.weight(layer, "b", summand.reshape(shape))], layer.name)


def _below(net: Net, layer: Layer, bottom: str) -> str:
    """The second bottom, with axes of 1 behind it so that it spreads over the first."""
    second = net.bottom(layer, 1)
    missing = len(net.shape(bottom)) - len(net.shape(second))
    if int(layer.param("scale").get("axis", 1)) != 0 or missing < 0:
        raise layer.refuse("a second bottom from another axis than 0")
    if not missing:
        return second
    shape = net.whole(layer, "shape", [*net.shape(second), *[1] * missing])
    return net.graph.add("Reshape", [second, shape], f"{layer.name}_spread")


def power(net: Net, layer: Layer) -> str:
    """(shift + scale x) ^ power."""
    said, made = layer.param("power"), net.bottom(layer)
    steps = (("Mul", "scale", 1.0), ("Add", "shift", 0.0), ("Pow", "power", 1.0))
    for operator, name, default in steps:
        value = float(said.get(name, default))
        if value != default:
            constant = net.graph.constant(f"{layer.name}_{name}_by", value)
            made = net.graph.add(operator, [made, constant], f"{layer.name}_{name}")
    return made


def inner_product(net: Net, layer: Layer) -> str:
    said, bottom = layer.param("inner_product"), net.bottom(layer)
    axis, out, turned = (
        int(said.get("axis", 1)),
        int(said.get("num_output", 0)),
        said.flag("transpose", False),
    )
    if axis != 1:
        raise layer.refuse(f"axis: {axis}")
    flat = bottom
    if len(net.shape(bottom)) != 2:
        flat = net.graph.add("Flatten", [bottom], f"{layer.name}_flat", axis=1)
    inside = net.shape(flat)[1]
    weight = layer.blob(0, inside, out) if turned else layer.blob(0, out, inside)
    inputs = [flat, net.weight(layer, "w", weight)]
    if said.flag("bias_term", True):
        inputs.append(net.weight(layer, "b", layer.blob(1, out)))
    return net.graph.add("Gemm", inputs, layer.name, transB=int(not turned))


def eltwise(net: Net, layer: Layer) -> str:
    said = layer.param("eltwise")
    operation = str(said.get("operation", "SUM"))
    operators = {"PROD": "Mul", "0": "Mul", "SUM": "Add", "1": "Add", "MAX": "Max", "2": "Max"}
    if operation not in operators:
        raise layer.refuse(f"operation: {operation}")
    parts = [net.bottom(layer, number) for number in range(len(layer.bottoms))]
    factors = [float(c) for c in said.all("coeff")]
    if factors and (operators[operation] != "Add" or len(factors) != len(parts)):
        raise layer.refuse("coeff")
    for number, factor in enumerate(factors):
        if factor != 1.0:
            by = net.graph.constant(f"{layer.name}_coeff_{number}", factor)
            parts[number] = net.graph.add("Mul", [parts[number], by], f"{layer.name}_{number}")
    made = parts[0]
    for number, part in enumerate(parts[1:], 1):
        name = layer.name if number == len(parts) - 1 else f"{layer.name}_sum_{number}"
        made = net.graph.add(operators[operation], [made, part], name)
    return made
