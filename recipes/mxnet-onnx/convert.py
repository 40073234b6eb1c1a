"""MXNet's symbol and parameters to ONNX by MXNet's own exporter, held to MXNet itself.

The exporter forgets that ``fix_gamma``, which is BatchNorm's default, means a gamma of 1 whatever the file
says; here the file is set right before. The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from edgepack_recipe import Refused, Request, imported
from edgepack_recipe.onnx_graph import rename

OPSET = 13
MAX_BYTES = 64 << 20
SHAPE = (
    "say it in edgepack.yaml, `model.shapes: {{{name}: [1, 3, 224, 224]}}`; or in the symbol, at the node "
    '"{name}": "attrs": {{"__shape__": "(1, 3, 224, 224)"}}; or mx.sym.var("{name}", shape=…) in the training'
)


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    nodes = look(request.model)
    file = weights_file(request)
    import mxnet as mx

    symbol, params = load(request.model, file)
    set_gamma(nodes, params)
    shapes = inputs(nodes, params, request.options)
    symbol = without_labels(symbol, shapes, params)
    made = export(symbol, params, shapes, request.work / "made.onnx")
    told = symbol.list_outputs()
    rename(made, dict(zip((o.name for o in made.graph.output), (n.replace("_output", "") for n in told))))  # noqa: B905
    result = imported.write(made, request.out)
    names = [value.name for value in made.graph.output]

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        args = {n: params["arg:" + n] for n in symbol.list_arguments() if "arg:" + n in params}
        aux = {n: params["aux:" + n] for n in symbol.list_auxiliary_states()}
        args.update({name: mx.nd.array(value) for name, value in feeds.items()})
        bound = symbol.bind(mx.cpu(), args, aux_states=aux)
        return dict(zip(names, (v.asnumpy() for v in bound.forward(is_train=False))))  # noqa: B905

    pairs = [(feeds, run(feeds)) for feeds in imported.draws(shapes)]
    return imported.report(result, ("MXNet", mx.__version__), pairs)


def look(file: Path) -> list[dict[str, Any]]:
    """The symbol's nodes. Raises Refused."""
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        raise Refused("not-a-model", f"{file.name} is not a file of at most 64 MiB")
    try:
        said = json.loads(file.read_text("utf-8"))
    except ValueError as bad:
        what = f"{file.name} is no MXNet symbol"
        raise Refused("not-a-model", what, f"it is not JSON: {bad}", "name the -symbol.json file") from None
    nodes = said.get("nodes") if isinstance(said, dict) else None
    if not isinstance(nodes, list) or not all(isinstance(n, dict) and "op" in n for n in nodes):
        what = f"{file.name} is no MXNet symbol"
        raise Refused("not-a-model", what, "it has no nodes", "name the -symbol.json file in model.file")
    return nodes


def weights_file(request: Request) -> Path:
    """What the request names, else the newest of its name (``net-0100.params``). Raises Refused."""
    prefix = request.model.name.replace("-symbol.json", "")
    beside = sorted(request.model.parent.glob(f"{prefix}-*.params"))
    file = request.weights or (beside[-1] if beside else None)
    if file is None or not file.is_file():
        what = f"the weights of {request.model.name} are not there"
        fix = "set model.weights to the .params file"
        raise Refused("not-a-model", what, "a symbol holds the layers alone", fix)
    return file


def load(model: Path, weights: Path) -> tuple[Any, dict[str, Any]]:
    """Raises Refused."""
    import mxnet as mx

    try:
        symbol = mx.sym.load(str(model))
    except Exception as bad:  # noqa: BLE001 - MXNetError and others
        missing = re.search(r"Operator (\w+) is not registered", str(bad))
        kind = "unsupported-operator" if missing else "not-a-model"
        what = f"MXNet has no operator {missing[1]}" if missing else f"MXNet does not load {model.name}"
        raise Refused(kind, what, detail=str(bad)[:1500]) from None
    try:
        params = mx.nd.load(str(weights))
    except Exception as bad:  # noqa: BLE001
        what = f"MXNet does not load {weights.name}"
        raise Refused(
            "not-a-model", what, "it is cut off or damaged", "copy it again", str(bad)[:1500]
        ) from None
    if not isinstance(params, dict):
        raise Refused("not-a-model", f"{weights.name} holds no names", "its arrays are of no layer")
    known = set(symbol.list_auxiliary_states())
    named = {n: v for n, v in params.items() if n.startswith(("arg:", "aux:"))}
    for name, value in params.items():  # Gluon's save_parameters leaves the prefix out
        if name not in named:
            named[("aux:" if name in known else "arg:") + name] = value
    return symbol, named


def set_gamma(nodes: list[dict[str, Any]], params: dict[str, Any]) -> None:
    for node in nodes:
        said = node.get("attrs") or node.get("param") or {}
        if node["op"] == "BatchNorm" and str(said.get("fix_gamma", "True")) in ("True", "1"):
            gamma = params.get("arg:" + nodes[node["inputs"][1][0]]["name"])
            if gamma is not None:
                gamma[:] = 1


def inputs(
    nodes: list[dict[str, Any]], params: dict[str, Any], options: dict[str, Any]
) -> dict[str, list[int]]:
    """Shapes of the variables that no parameter fills, labels aside. Raises Refused."""
    said = {name: list(shape) for name, shape in (options.get("shapes") or {}).items()}
    found = {}
    for node in nodes:
        name = node["name"]
        if (
            node["op"] != "null"
            or "arg:" + name in params
            or "aux:" + name in params
            or name.endswith("label")
        ):
            continue
        written = (node.get("attrs") or node.get("attr") or {}).get("__shape__", "")
        try:
            shape = said.get(name) or list(ast.literal_eval(written))
            shape = [1, *(int(size) for size in shape[1:])]
        except (ValueError, SyntaxError, TypeError):
            what, fix = f"nothing says which shape the input {name} has", SHAPE.format(name=name)
            raise Refused("unsupported-input", what, "or a weight of that name is missing", fix) from None
        if min(shape) < 1:
            what = f"the input {name} has an open size: {shape}"
            raise Refused("unsupported-input", what, fix=SHAPE.format(name=name))
        found[name] = shape
    return found


def without_labels(symbol: Any, shapes: dict[str, list[int]], params: dict[str, Any]) -> Any:
    """A symbol made for training ends in SoftmaxOutput, which reads labels: a softmax takes its place."""
    import mxnet as mx

    missing = [
        n
        for n in symbol.list_arguments()
        if n.endswith("label") and n not in shapes and "arg:" + n not in params
    ]
    if not missing:
        return symbol
    before = [child for child in symbol.get_children() if child.name not in missing]
    if symbol.name and len(before) == 1 and symbol.attr("op_type") in (None, "SoftmaxOutput", "Softmax"):
        return mx.sym.softmax(before[0], axis=1, name=symbol.name)
    what = f"the symbol reads {', '.join(missing)}, as in training"
    raise Refused("unsupported-input", what, fix="save the network without its losses")


def export(symbol: Any, params: dict[str, Any], shapes: dict[str, list[int]], file: Path) -> Any:
    """Raises Refused where MXNet's exporter does."""
    import mxnet as mx
    import onnx

    bare = {name.split(":", 1)[1]: value for name, value in params.items()}
    try:
        mx.onnx.export_model(
            symbol,
            bare,
            in_shapes=[tuple(shape) for shape in shapes.values()],
            in_types=np.float32,
            onnx_file_path=str(file),
        )
    except Exception as bad:  # noqa: BLE001 - of many kinds
        missing = re.search(r"No conversion function registered for op type (\w+)", str(bad))
        what = f"MXNet's exporter has nothing for {missing[1]}" if missing else "MXNet's exporter refused it"
        kind = "unsupported-operator" if missing else "converter-failed"
        raise Refused(kind, what, detail=f"{type(bad).__name__}: {bad}"[-1500:]) from None
    model = onnx.load(str(file))
    weights = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in weights]  # weights are listed there too
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for entry in model.opset_import:
        entry.version = (
            OPSET  # its translations are those of 12 and 13; the stamp is the onnx package's newest
        )
    return model
