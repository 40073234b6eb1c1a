"""What the recipes have in common that go by tf2onnx: TensorFlow's layout, and names as people know them.

Only for recipes whose environment has ``tensorflow``, ``tf2onnx`` and ``onnxruntime``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from . import imported
from .onnx_graph import rename
from .refused import Refused
from .request import Request

OPSET = 13
Shapes = Mapping[str, Sequence[int]]
Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def turned(shapes: Shapes) -> list[str]:
    """The inputs (N, H, W, C) that become (N, C, H, W), which is what a box's pictures are brought to."""
    return [name for name, shape in shapes.items() if len(shape) == 4]


def fixed(name: str, shape: Sequence[int | None], options: Mapping[str, Any]) -> list[int]:
    """The batch becomes 1, where it is open; another open size is the user's to say. Raises Refused."""
    said = (options.get("shapes") or {}).get(name)
    if said:
        return [int(size) for size in said]
    first = 1 if shape and shape[0] in (None, -1) else (shape[0] if shape else 1)
    found = [first, *shape[1:]]
    if any(size is None or size < 1 for size in found):
        shown = ", ".join("?" if s is None or s < 1 else str(s) for s in found)
        fix = f"say it in edgepack.yaml, `model.shapes: {{{name}: [{shown}]}}` with a number for each ?; or "
        fix += "export it with a fixed input size (tf.TensorSpec([1, 224, 224, 3]))"
        why = "the converted model is planned for one shape"
        raise Refused("unsupported-input", f"the input {name} has an open size: ({shown})", why, fix)
    return [int(size or 1) for size in found]


def converted(make: Callable[[Path], Any], file: Path) -> onnx.ModelProto:
    """What tf2onnx writes to ``file``. Raises Refused in its words, where they are known in ours."""
    try:
        make(file)
    except Exception as bad:  # noqa: BLE001 - of many kinds
        raise failed(str(bad)) from None
    if not file.is_file():
        raise Refused("converter-failed", "tf2onnx wrote no file")
    model = onnx.load(str(file))
    foreign = sorted({f"{n.domain}.{n.op_type}" for n in model.graph.node if n.domain not in ("", "ai.onnx")})
    if foreign:
        what = f"tf2onnx has nothing for {', '.join(foreign[:5])}"
        raise Refused("unsupported-operator", what, fix="move that part into your own post code")
    return model


def failed(words: str) -> Refused:
    missing = re.search(
        r"Unsupported op(?:s|erator)?:? (?:Counter\()?\W*([\w.]+)|op (\w+)\W+ not (?:im|su)", words
    )
    kind = "unsupported-operator" if missing else "converter-failed"
    what = f"tf2onnx has nothing for {missing[1] or missing[2]}" if missing else "tf2onnx refused the model"
    return Refused(kind, what, detail=words[-1500:])


def finish(
    request: Request, model: onnx.ModelProto, shapes: Shapes, outputs: Sequence[str], run: Run
) -> dict[str, Any]:
    """The report. shapes, outputs: as TensorFlow has them, in the order of the ONNX model's; run: TensorFlow
    itself. Raises Refused."""
    import tensorflow as tf
    import tf2onnx

    given = [value.name for value in model.graph.input]
    if len(given) != len(shapes) or len(outputs) != len(model.graph.output):
        what = f"the ONNX model has {len(given)} inputs, TensorFlow's {len(shapes)}"
        raise Refused("converter-failed", what, "an input that nothing depends on was lost")
    names = dict(zip(given, shapes, strict=True))
    names.update(zip((o.name for o in model.graph.output), outputs, strict=True))
    rename(model, {old: new for old, new in names.items() if old != new})
    own = [value.name for value in model.graph.input]
    told = [value.name for value in model.graph.output]
    for value, (_, shape) in zip(model.graph.input, shapes.items(), strict=True):
        if shape and not value.type.tensor_type.shape.dim[0].dim_value:
            value.type.tensor_type.shape.dim[0].dim_value = shape[0]
    file = imported.write(model, request.out)
    nchw = {
        mine: [shape[0], shape[3], *shape[1:3]] if len(shape) == 4 else list(shape)
        for mine, shape in zip(own, shapes.values(), strict=True)
    }
    pairs = []
    for feeds in imported.draws(nchw):
        back = {
            theirs: np.ascontiguousarray(np.moveaxis(feeds[mine], 1, 3))
            if feeds[mine].ndim == 4
            else feeds[mine]
            for mine, theirs in zip(own, shapes, strict=True)
        }
        found = run(back)
        pairs.append((feeds, {mine: found[theirs] for mine, theirs in zip(told, outputs, strict=True)}))
    warnings = [f"{name}: (N, H, W, C) became (N, C, H, W)" for name in own if len(nchw[name]) == 4]
    report = imported.report(file, ("tf2onnx", tf2onnx.__version__), pairs, warnings)
    return {**report, "held_to": f"TensorFlow {tf.__version__}"}
