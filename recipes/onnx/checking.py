"""Whether a model can be compared with anything at all: its numbers, its operators, what goes in and out."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from edgepack_recipe import Refused
from graph import OWN, node_name, nodes, shown, tensors
from reading import EXPORT_AGAIN

LARGEST_INPUT = 1 << 28  # elements, 1 GiB of float32
RUNTIME_DOMAINS = (*OWN, "ai.onnx.ml", "com.microsoft")  # what ONNX Runtime brings along
FIXED_SHAPE = (
    "export with a fixed shape. PyTorch: torch.onnx.export(…) without dynamic axes, on an example of "
    "batch 1; TensorFlow: tf2onnx with --inputs NAME:0[1,224,224,3]; Keras: keras.Input(…, batch_size=1)"
)


def check_numbers(model: onnx.ModelProto) -> None:
    """No weight is NaN, on which converters crash. Infinity is well known from masks."""
    for tensor in tensors(model):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        try:
            values = onnx.numpy_helper.to_array(tensor)
        except ValueError:
            what = f"the weights {shown(tensor.name)} have another size than their shape says"
            raise Refused("not-a-model", what, "the file is damaged", EXPORT_AGAIN) from None
        if np.isnan(values).any():
            what = f"the weights {shown(tensor.name)} are not numbers (NaN)"
            why = "the training diverged, or the file is damaged"
            raise Refused("not-a-model", what, why, "train again from an earlier checkpoint, and export that")


def check_operators(model: onnx.ModelProto) -> None:
    """Each node's operator is one that ONNX, ONNX Runtime or the model itself defines."""
    own = {(f.domain, f.name) for f in model.functions}
    unknown: dict[str, list[str]] = {}
    for node in nodes(model.graph):
        default = node.domain in OWN
        known = onnx.defs.has(node.op_type) if default else node.domain in RUNTIME_DOMAINS
        if not known and (node.domain, node.op_type) not in own:
            label = node.op_type if default else f"{node.domain}::{node.op_type}"
            unknown.setdefault(shown(label), []).append(node_name(node))
    if unknown:
        which = "; ".join(f"{op} (node {', '.join(names[:5])})" for op, names in unknown.items())
        raise Refused(
            "unsupported-operator",
            f"the model uses operators that ONNX does not define: {which}",
            why="they belong to the program that trained or exported it, and no converter knows them",
            fix="export with standard operators only, or cut the model before them and do them in your "
            "own post code",
        )


def check_whole(model: onnx.ModelProto) -> None:
    """ONNX's own checker, with shapes, and a session of ONNX Runtime."""
    data = model.SerializeToString()
    try:
        onnx.checker.check_model(data, full_check=True)
    except Exception as wrong:  # noqa: BLE001 - the checker raises its own, inference a RuntimeError
        why = "its graph breaks ONNX's own rules"
        what = "the model is not valid ONNX"
        raise Refused("not-a-model", what, why, "export it again", str(wrong)[:1500]) from None
    try:
        ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as wrong:  # noqa: BLE001 - a class of ONNX Runtime's for each status code
        text = str(wrong)
        missing = "NOT_IMPLEMENTED" in text or "is not a registered function/op" in text
        kind = "unsupported-operator" if missing else "not-a-model"
        what = "ONNX Runtime cannot run the model, so nothing can be compared with it"
        raise Refused(kind, what, fix="export it again, at opset 13", detail=text[:1500]) from None
