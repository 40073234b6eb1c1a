"""Caffe's layers that only put values elsewhere."""

from __future__ import annotations

from net import Layer, Net


def concat(net: Net, layer: Layer) -> str:
    said = layer.param("concat")
    parts = [net.bottom(layer, number) for number in range(len(layer.bottoms))]
    axis = int(said.get("axis", said.get("concat_dim", 1)))
    return net.graph.add("Concat", parts, layer.name, axis=axis) if len(parts) > 1 else parts[0]


def slices(net: Net, layer: Layer) -> list[str]:
    """One tensor a top; equal parts where no points are said."""
    said, bottom = layer.param("slice"), net.bottom(layer)
    axis = int(said.get("axis", said.get("slice_dim", 1)))
    size, count = net.shape(bottom)[axis], len(layer.tops)
    points = [0, *(int(p) for p in said.all("slice_point")), size]
    sizes = [after - before for before, after in zip(points, points[1:])]  # noqa: B905, RUF007 - Python 3.8
    if len(points) == 2:
        sizes = [size // count] * count
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 1:
        raise layer.refuse(f"{size} values in {count} parts at {points[1:-1]}")
    net.graph.add("Split", [bottom, net.whole(layer, "sizes", sizes)], layer.name, outputs=count, axis=axis)
    return list(net.graph.nodes[-1].output)


def softmax(net: Net, layer: Layer) -> str:
    axis = int(layer.param("softmax").get("axis", 1))
    return net.graph.add("Softmax", [net.bottom(layer)], layer.name, axis=axis)


def flatten(net: Net, layer: Layer) -> str:
    said, bottom = layer.param("flatten"), net.bottom(layer)
    rank = len(net.shape(bottom))
    if int(said.get("axis", 1)) != 1 or int(said.get("end_axis", -1)) not in (-1, rank - 1):
        raise layer.refuse("axis or end_axis")
    return net.graph.add("Flatten", [bottom], layer.name, axis=1)


def reshape(net: Net, layer: Layer) -> str:
    said = layer.param("reshape")
    dims = [int(n) for n in said.message("shape").all("dim")]
    if int(said.get("axis", 0)) != 0 or int(said.get("num_axes", -1)) != -1 or not dims:
        raise layer.refuse("axis or num_axes")
    return net.graph.add("Reshape", [net.bottom(layer), net.whole(layer, "shape", dims)], layer.name)


def permute(net: Net, layer: Layer) -> str:
    """Not one of Caffe's own: SSD's."""
    bottom = net.bottom(layer)
    order = [int(n) for n in layer.param("permute").all("order")]
    order += [n for n in range(len(net.shape(bottom))) if n not in order]
    return net.graph.add("Transpose", [bottom], layer.name, perm=order)


def same(net: Net, layer: Layer) -> str:
    return net.bottom(layer)


def split(net: Net, layer: Layer) -> list[str]:
    return [net.bottom(layer)] * len(layer.tops)
