"""TFLite to ONNX by tf2onnx, held to TensorFlow Lite's own interpreter.

Pictures, (N, H, W, C) in TFLite, become (N, C, H, W) at the inputs; outputs stay as they were trained. The
contract: docs/design/recipes.md.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, step

HERE = Path(__file__).resolve().parent


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    look(request.model)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    warnings.simplefilter("ignore")
    import numpy as np
    import tf2onnx
    from edgepack_recipe import tensorflow_onnx as common

    reader = load(request.model, request.work)
    inputs, outputs = named(reader, "input"), named(reader, "output")
    shapes = {}
    for name, tensor in inputs.items():
        if tensor["dtype"] != np.float32:
            what = f"the input {name} is {np.dtype(tensor['dtype']).name}, and only float32 can be fed"
            fix = "convert it again without inference_input_type, or start from the float model"
            raise Refused("unsupported-input", what, "it was quantised with its inputs", fix)
        shapes[name] = common.fixed(name, tensor["shape_signature"].tolist(), request.options)
        reader.resize_tensor_input(tensor["index"], shapes[name])
    reader.allocate_tensors()

    def make(file: Path) -> None:
        turned = [inputs[name]["name"] for name in common.turned(shapes)]
        tf2onnx.convert.from_tflite(
            str(request.model), opset=common.OPSET, inputs_as_nchw=turned, output_path=str(file)
        )

    model = common.converted(make, request.work / "made.onnx")

    def run(feeds: Any) -> dict[str, Any]:
        for name, value in feeds.items():
            reader.set_tensor(inputs[name]["index"], value)
        reader.invoke()
        return {name: reader.get_tensor(tensor["index"]) for name, tensor in outputs.items()}

    return common.finish(request, model, shapes, list(outputs), run)


def look(file: Path) -> None:
    """Raises Refused where it is not TFLite: a FlatBuffer says what it is in bytes 4 to 8."""
    if not file.is_file():
        raise Refused("not-a-model", f"{file.name} is not a file", fix="name the .tflite file in model.file")
    with file.open("rb") as opened:
        first = opened.read(64)
    if first[4:8] != b"TFL3":
        lfs = first.startswith(b"version https://git-lfs")
        fix = "git lfs pull" if lfs else "copy it again"
        raise Refused("not-a-model", f"{file.name} is no TFLite file", "it does not begin as one", fix)


def load(file: Path, work: Path) -> Any:
    """TFLite's interpreter, after it was seen to load the file in a process of its own. Raises Refused."""
    import tensorflow as tf

    done = step(HERE / "check.py", file, cwd=work / "check", timeout_s=300)
    if done.code:
        what = f"TensorFlow Lite does not load {file.name}"
        fix = "copy it again; operators of TensorFlow's own (Flex) cannot be converted"
        raise Refused(
            "not-a-model", what, f"{done.ended('it')}: cut off, or not its own", fix, done.noise[-1500:]
        )
    return tf.lite.Interpreter(model_path=str(file), num_threads=2)


def named(reader: Any, role: str) -> dict[str, Any]:
    """Tensors by the names of the signature, where there is one, else by their own; in the model's order."""
    details = reader.get_input_details() if role == "input" else reader.get_output_details()
    signatures = reader._get_full_signature_list()  # the public list has no indices
    said = next(iter(signatures.values()), {}).get(f"{role}s", {})
    names = {index: name for name, index in said.items()}
    return {names.get(d["index"], d["name"].partition(":")[0]): d for d in details}
