"""Paddle's inference models (``.json`` of 3.x, ``.pdmodel`` before) to ONNX by paddle2onnx, held to Paddle
itself.

Paddle 3.3 writes attributes in double precision that paddle2onnx 2.1 reads as single, and takes for 0 or
refuses: they are rewritten in a copy that only paddle2onnx sees. The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, imported, step
from edgepack_recipe.onnx_graph import rename

OPSET = 13
HERE = Path(__file__).resolve().parent
AGAIN = (
    "paddle.jit.save(net, 'model', "
    "input_spec=[paddle.static.InputSpec([1, 3, 224, 224], 'float32', 'image')])"
)


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    both = copied(request)
    reader = load(both)
    made = export(both, request.work)
    inputs = shapes(made, reader, request.options)
    rename(made, {o.name: f"output{n}" for n, o in enumerate(made.graph.output)})
    names = [value.name for value in made.graph.output]
    file = imported.write(made, request.out)
    import paddle2onnx

    def run(feeds: Any) -> dict[str, Any]:
        for name, value in feeds.items():
            handle = reader.get_input_handle(name)
            handle.reshape(value.shape)
            handle.copy_from_cpu(value)
        reader.run()
        found = [reader.get_output_handle(name).copy_to_cpu() for name in reader.get_output_names()]
        return dict(zip(names, found, strict=True))

    pairs = [(feeds, run(feeds)) for feeds in imported.draws(inputs)]
    return imported.report(file, ("paddle2onnx", paddle2onnx.__version__), pairs)


def copied(request: Request) -> Path:
    """The model under a name that its weights have too, as Paddle wants it. Raises Refused."""
    weights = request.weights or request.model.with_suffix(".pdiparams")
    if not weights.is_file():
        what = f"the weights of {request.model.name} are not there"
        raise Refused(
            "not-a-model",
            what,
            "a .json or .pdmodel holds the layers alone",
            "set model.weights to the .pdiparams file",
        )
    model = request.work / f"model{request.model.suffix}"
    shutil.copyfile(request.model, model)
    shutil.copyfile(weights, request.work / "model.pdiparams")
    if model.suffix == ".json":
        read(model, request.model.name)
    return model


def read(file: Path, name: str) -> Any:
    """Raises Refused where it is JSON of something else, or none."""
    try:
        said = json.loads(file.read_text("utf-8"))
    except ValueError as bad:
        what = f"{name} is no Paddle model"
        raise Refused("not-a-model", what, f"it is not JSON: {bad}", AGAIN) from None
    if not isinstance(said, dict) or said.get("base_code", {}).get("magic") != "pir":
        what = f"{name} is no Paddle model"
        raise Refused("not-a-model", what, "it is JSON of something else", AGAIN)
    return said


def load(model: Path) -> Any:
    """Paddle's own predictor, nothing fused. Raises Refused."""
    from paddle import inference

    try:
        config = inference.Config(str(model), str(model.with_suffix(".pdiparams")))
        config.disable_gpu()
        config.disable_mkldnn()  # it ends the process on programs of Paddle 3
        config.disable_glog_info()
        config.switch_ir_optim(False)
        return inference.create_predictor(config)
    except Exception as bad:  # noqa: BLE001 - of many kinds
        what = "Paddle does not load the model"
        why = "a file is damaged, or both are not of one training"
        raise Refused("not-a-model", what, why, AGAIN, str(bad)[-1500:]) from None


def shapes(made: Any, reader: Any, options: dict[str, Any]) -> dict[str, list[int]]:
    """By input, an open batch as 1, set in the ONNX model too. Raises Refused where another size is open."""
    import onnx

    given = [value.name for value in made.graph.input]
    if sorted(given) != sorted(reader.get_input_names()):
        what = f"the ONNX model reads {', '.join(given)}, Paddle's {', '.join(reader.get_input_names())}"
        raise Refused("converter-failed", what)
    found = {}
    for value in made.graph.input:
        tensor = value.type.tensor_type
        if tensor.elem_type != onnx.TensorProto.FLOAT:
            kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
            what = f"the input {value.name} is {kind}, and only float32 can be fed"
            raise Refused("unsupported-input", what, fix="cast inside of the model, and export it again")
        said = (options.get("shapes") or {}).get(value.name) or [d.dim_value for d in tensor.shape.dim]
        shape = [1 if n == 0 and size < 1 else int(size) for n, size in enumerate(said)]
        if not shape or min(shape) < 1:
            what = f"the input {value.name} has an open size: {shape}"
            raise Refused("unsupported-input", what, "the converted model is planned for one shape", AGAIN)
        del tensor.shape.dim[:]
        for size in shape:
            tensor.shape.dim.add().dim_value = size
        found[value.name] = shape
    return found


def export(model: Path, work: Path) -> Any:
    """In a process of its own: paddle2onnx ends its process where it fails. Raises Refused."""
    import onnx

    made = work / "made.onnx"
    done = step(HERE / "export.py", model, made, OPSET, cwd=work / "export", timeout_s=1200)
    if made.is_file():
        return onnx.load(str(made))
    missing = sorted(
        set(
            re.findall(
                r"(?:op|operator)[ :]+\[?'?(pd_op\.\w+)'?\]? is not supported|\[(\w+)\] .*not supported",
                done.noise,
            )
        )
    )
    names = ", ".join(a or b for a, b in missing)
    what = f"paddle2onnx has nothing for {names}" if names else "paddle2onnx wrote no file"
    kind = "unsupported-operator" if names else "converter-failed"
    raise Refused(kind, what, done.ended("paddle2onnx"), detail=done.noise[-1500:])


def single(said: Any) -> Any:
    """A program whose attributes in double precision are single, but for those that fill tensors."""
    for operator in _operators(said):
        if not str(operator["#"]).rpartition(".")[2].startswith("full"):
            _soften(operator["A"])
    return said


def _operators(said: Any) -> Iterator[dict[str, Any]]:
    if isinstance(said, dict):
        if isinstance(said.get("A"), list) and "#" in said:
            yield said
        for value in said.values():
            yield from _operators(value)
    elif isinstance(said, list):
        for value in said:
            yield from _operators(value)


def _soften(said: Any) -> None:
    if isinstance(said, dict):
        if str(said.get("#", "")).endswith("a_f64"):
            said["#"] = str(said["#"]).replace("a_f64", "a_f32")
        for value in said.values():
            _soften(value)
    elif isinstance(said, list):
        for value in said:
            _soften(value)
