"""TensorFlow's SavedModel to ONNX by tf2onnx, held to TensorFlow itself.

Pictures, (N, H, W, C) in TensorFlow, become (N, C, H, W) at the inputs; outputs stay as they were trained.
The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request

SIGNATURE = "serving_default"
AGAIN = "in the training code: model.export(folder), or tf.saved_model.save with signatures"


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    if not (request.model / "saved_model.pb").is_file():
        what = f"{request.model.name} is no SavedModel"
        raise Refused(
            "not-a-model", what, "there is no saved_model.pb in it", "name the folder in model.file"
        )
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import numpy as np
    import tensorflow as tf
    import tf2onnx
    from edgepack_recipe import tensorflow_onnx as common

    signature = load(request.model)
    given = signature.structured_input_signature[1]
    shapes = {}
    for name, spec in given.items():
        if spec.dtype != tf.float32:
            what = f"the input {name} is {spec.dtype.name}, and only float32 can be fed"
            raise Refused("unsupported-input", what, fix="cast inside of the model, and export it again")
        shapes[name] = common.fixed(name, spec.shape.as_list(), request.options)

    @tf.function
    def static(*inputs: Any) -> Any:
        found = signature(**dict(zip(given, inputs, strict=True)))
        return [found[name] for name in sorted(found)]

    specs = [tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()]

    def make(file: Path) -> None:
        turned = [f"{name}:0" for name in common.turned(shapes)]
        tf2onnx.convert.from_function(
            static, specs, opset=common.OPSET, inputs_as_nchw=turned, output_path=str(file)
        )

    model = common.converted(make, request.work / "made.onnx")
    outputs = sorted(signature.structured_outputs)

    def run(feeds: Any) -> dict[str, Any]:
        found = signature(**{name: tf.constant(value) for name, value in feeds.items()})
        return {name: np.asarray(value) for name, value in found.items()}

    return common.finish(request, model, shapes, outputs, run)


def load(folder: Path) -> Any:
    """The signature that answers. Raises Refused."""
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as bad:  # noqa: BLE001 - of many kinds
        what = f"TensorFlow does not load {folder.name}"
        fix = "copy it again, with its folder variables"
        raise Refused(
            "not-a-model", what, "a file of it is damaged or missing", fix, str(bad)[:1500]
        ) from None
    if SIGNATURE not in loaded.signatures:
        known = ", ".join(loaded.signatures) or "none"
        what = f"{folder.name} has no signature {SIGNATURE}"
        raise Refused("not-a-model", what, f"it has: {known}", AGAIN)
    signature = loaded.signatures[SIGNATURE]
    signature.keep = loaded  # else its variables go
    return signature
