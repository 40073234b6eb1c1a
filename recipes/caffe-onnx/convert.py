"""Caffe's prototxt and caffemodel to ONNX. The contract: docs/design/recipes.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import caffemodel
import pointwise
import prototxt
import shaping
import spatial
from edgepack_recipe import Refused, Request, imported
from edgepack_recipe.onnx_graph import Graph, rename
from net import Layer, Net
from prototxt import Message

DEPLOY = "give the deploy.prototxt, which begins with input_shape or a layer of the type Input"
TRAINING = {
    "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "AnnotatedData", "Accuracy",
    "Silence", "SoftmaxWithLoss", "EuclideanLoss", "HingeLoss", "SigmoidCrossEntropyLoss",
    "MultinomialLogisticLoss",
}  # fmt: skip
LAYERS: dict[str, Callable[[Net, Layer], Any]] = {
    **dict.fromkeys(pointwise.ONES, pointwise.one),
    "BatchNorm": pointwise.batch_norm,
    "Concat": shaping.concat,
    "Convolution": spatial.convolution,
    "ConvolutionDepthwise": spatial.convolution,
    "Deconvolution": spatial.convolution,
    "DepthwiseConvolution": spatial.convolution,
    "Dropout": shaping.same,
    "ELU": pointwise.elu,
    "Eltwise": pointwise.eltwise,
    "Flatten": shaping.flatten,
    "InnerProduct": pointwise.inner_product,
    "LRN": spatial.local_response,
    "PReLU": pointwise.prelu,
    "Permute": shaping.permute,
    "Pooling": spatial.pooling,
    "Power": pointwise.power,
    "ReLU": pointwise.relu,
    "ReLU6": pointwise.relu6,
    "Reshape": shaping.reshape,
    "Scale": pointwise.scale,
    "Slice": shaping.slices,
    "Softmax": shaping.softmax,
    "Split": shaping.split,
    "Upsample": spatial.upsample,
}


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    said = prototxt.read(request.model)
    blobs = caffemodel.read(weights_file(request))
    layers = [
        Layer(m, blobs.get(str(m.get("name", "")), []))
        for m in (*said.messages("layers"), *said.messages("layer"))
        if tested(m)
    ]
    layers = [layer for layer in layers if layer.kind not in TRAINING]
    uses: dict[str, int] = {}
    for layer in layers:
        for bottom in layer.bottoms:
            uses[bottom] = uses.get(bottom, 0) + 1
    net = Net(Graph(str(said.get("name", request.model.stem))), uses)
    warnings = add_inputs(net, said, layers)
    for layer in layers:
        if layer.kind != "Input":
            add(net, layer)
    return finish(request, net, layers, warnings)


def finish(request: Request, net: Net, layers: list[Layer], warnings: list[str]) -> dict[str, Any]:
    """Outputs are the blobs that no layer reads, by their names in the prototxt."""
    shapes = {value.name: net.shape(value.name) for value in net.graph.inputs}
    tops = dict.fromkeys(top for layer in layers for top in layer.tops)
    read = {b for layer in layers for b in layer.bottoms if b not in layer.tops}
    outputs = {net.blobs[top]: top for top in tops if top not in read and net.blobs[top] not in shapes}
    if not outputs:
        raise Refused("not-a-model", f"{request.model.name} has no layers that answer anything", fix=DEPLOY)
    model = net.graph.model(list(outputs))
    rename(model, outputs)
    file = imported.write(model, request.out)
    pairs = [(feeds, None) for feeds in imported.draws(shapes)]
    return imported.report(file, ("edgepack's Caffe reader", "1"), pairs, warnings)


def weights_file(request: Request) -> Path:
    """What the request names, else the file of the same name. Raises Refused."""
    file = request.weights or request.model.with_suffix(".caffemodel")
    if not file.is_file():
        what = f"the weights of {request.model.name} are not there"
        fix = "set model.weights to the .caffemodel file"
        raise Refused("not-a-model", what, "a prototxt holds the layers alone", fix)
    return file


def tested(said: Message) -> bool:
    """Whether a layer is there in the phase TEST (NetStateRule in caffe.proto)."""
    include = [str(rule.get("phase", "TEST")) for rule in said.messages("include")]
    exclude = [str(rule.get("phase", "")) for rule in said.messages("exclude")]
    return (not include or any(p in ("TEST", "1") for p in include)) and "TEST" not in exclude


def add_inputs(net: Net, said: Message, layers: list[Layer]) -> list[str]:
    """Of all three ways to declare them; what to warn of. Raises Refused where there is none."""
    names = [str(name) for name in said.all("input")]
    shapes = [[int(d) for d in m.all("dim")] for m in said.messages("input_shape")]
    flat = [int(d) for d in said.all("input_dim")]
    shapes = shapes or [flat[n : n + 4] for n in range(0, len(flat), 4)]
    for layer in layers:
        if layer.kind == "Input":
            given = [[int(d) for d in m.all("dim")] for m in layer.param("input").messages("shape")]
            names += layer.tops
            shapes += given * len(layer.tops) if len(given) == 1 else given
    if not names or len(names) != len(shapes) or not all(s and min(s) > 0 for s in shapes):
        raise Refused("unsupported-input", "the prototxt says no shape for its input", fix=DEPLOY)
    warnings = []
    for name, shape in zip(names, shapes):  # noqa: B905 - Python 3.8
        if shape[0] != 1:
            warnings.append(f"{name}: the batch of {shape[0]} became 1")
        net.blobs[name] = net.graph.input(name, [1, *shape[1:]])
    return warnings


def add(net: Net, layer: Layer) -> None:
    """Raises Refused for a layer that is not known."""
    if layer.kind not in LAYERS:
        raise Refused(
            "unsupported-operator",
            f"{layer.place}: this layer cannot be converted",
            fix="end the prototxt before it and do that part in your own post code; "
            f"known: {', '.join(LAYERS)}",
        )
    made = LAYERS[layer.kind](net, layer)
    tensors = made if isinstance(made, list) else [made] * len(layer.tops)
    net.blobs.update(zip(layer.tops, tensors))  # noqa: B905 - Python 3.8
