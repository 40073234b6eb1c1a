"""A Caffe network on its way to ONNX: which tensor a blob is at the moment, and what the layers need to
know."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from edgepack_recipe import Refused
from edgepack_recipe.onnx_graph import Graph
from prototxt import Message

V1 = {  # V1LayerParameter.LayerType in caffe.proto, where the new name is not the old one capitalised
    "ABSVAL": "AbsVal", "BNLL": "BNLL", "ELTWISE": "Eltwise", "HDF5_DATA": "HDF5Data",
    "IMAGE_DATA": "ImageData",
    "INNER_PRODUCT": "InnerProduct", "LRN": "LRN", "RELU": "ReLU", "PRELU": "PReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH", "EUCLIDEAN_LOSS": "EuclideanLoss", "HINGE_LOSS": "HingeLoss", "MEMORY_DATA": "MemoryData",
}  # fmt: skip


@dataclass
class Layer:
    """One of the prototxt's layers, with its weights."""

    said: Message
    blobs: list[np.ndarray]

    @property
    def name(self) -> str:
        return str(self.said.get("name", ""))

    @property
    def kind(self) -> str:
        kind = str(self.said.get("type", ""))
        return (
            V1.get(kind, kind.capitalize()) if kind.isupper() and kind not in ("LRN", "BNLL", "ELU") else kind
        )

    @property
    def place(self) -> str:
        return f"layer {self.name} ({self.kind}), line {self.said.line}"

    @property
    def bottoms(self) -> list[str]:
        return [str(b) for b in self.said.all("bottom")]

    @property
    def tops(self) -> list[str]:
        return [str(t) for t in self.said.all("top")]

    def param(self, name: str) -> Message:
        return self.said.message(f"{name}_param")

    def blob(self, number: int, *shape: int) -> np.ndarray:
        """A weight in that shape (-1 as in NumPy). Raises Refused where it is not there or does not fit."""
        if number >= len(self.blobs):
            why = f"the caffemodel holds {len(self.blobs)} weights for it"
            raise Refused(
                "not-a-model", f"{self.place} has no weights", why, "give both files of one training"
            )
        value = self.blobs[number]
        if not np.isfinite(value).all():
            raise Refused(
                "not-a-model", f"{self.place} has weights that are not finite", "the training diverged"
            )
        try:
            return value.reshape(shape)
        except ValueError:
            what = f"{self.place} needs weights of the shape {list(shape)}"
            why = f"the caffemodel's are {list(value.shape)}"
            raise Refused("not-a-model", what, why, "give both files of one training") from None

    def refuse(self, what: str) -> Refused:
        return Refused("unsupported-operator", f"{self.place}: {what} cannot be converted")


@dataclass
class Net:
    """blobs: Caffe's name → the ONNX tensor that it is at the moment; layers may write where they read.

    uses: how many layers read each of Caffe's blobs.
    """

    graph: Graph
    uses: dict[str, int]
    blobs: dict[str, str] = field(default_factory=dict)

    def bottom(self, layer: Layer, number: int = 0) -> str:
        """Raises Refused where nothing before has made it."""
        if number >= len(layer.bottoms):
            raise Refused("not-a-model", f"{layer.place} has {len(layer.bottoms)} bottoms")
        name = layer.bottoms[number]
        if name not in self.blobs:
            why = "no layer before it has made it, in the phase TEST"
            raise Refused("not-a-model", f"{layer.place} reads {name}", why, "give the deploy.prototxt")
        return self.blobs[name]

    def shape(self, tensor: str) -> tuple[int, ...]:
        return self.graph.shapes[tensor]

    def weight(self, layer: Layer, name: str, value: np.ndarray) -> str:
        return self.graph.constant(f"{layer.name}_{name}", value)

    def whole(self, layer: Layer, name: str, values: list[int]) -> str:
        return self.graph.constant(f"{layer.name}_{name}", values, np.int64)
