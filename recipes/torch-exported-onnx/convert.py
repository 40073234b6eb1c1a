"""An exported PyTorch program (``torch.export.save``) to ONNX by PyTorch's own exporter, held to PyTorch
itself.

Nothing in the file is unpickled but tensors. The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused, Request, imported, no_cuda

OPSET = 18
AGAIN = "torch.export.save(torch.export.export(model.eval(), (torch.zeros(1, 3, 224, 224),)), 'model.pt2')"
EXPRESSION = re.compile(r'"expr_str"\s*:\s*"([^"]*)"')  # PyTorch gives these to sympy, which evaluates them
HARMLESS = re.compile(r"[A-Za-z0-9_ +\-*/(),.<>=]*\Z")


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    look(request.model)
    no_cuda.stand_in(request.work)
    import torch

    torch.set_num_threads(2)
    only_tensors()
    program = load(request.model)
    inputs, warned = signature(program)
    file = export(program, inputs, request.out)
    module = program.module()
    pairs = [(feeds, compute(module, feeds, file)) for feeds in imported.draws(inputs)]
    tool = ("PyTorch", torch.__version__.partition("+")[0])
    return imported.report(file, tool, pairs, warned)


def look(file: Path) -> None:
    """Raises Refused where the file is another one of PyTorch's, or says what would be evaluated."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
            graphs = [archive.read(n) for n in archive.namelist() if n.endswith(".json")]
    except (OSError, zipfile.BadZipFile, ValueError) as bad:
        what = f"{file.name} is cut off, or is not a PyTorch file"
        raise Refused("not-a-model", what, str(bad), "copy it again") from None
    if any(name.startswith("code/") for name in names):
        what, fix = f"{file.name} is TorchScript", "name it .pt, or set model.format: torchscript"
        raise Refused("not-a-model", what, "it was written by torch.jit.save", fix)
    if not graphs:
        what = f"{file.name} holds weights without the network's code"
        raise Refused("not-a-model", what, "it was written by torch.save, and no graph is in it", AGAIN)
    for graph in graphs:
        for said in EXPRESSION.findall(graph.decode("utf-8", "replace")):
            if not HARMLESS.match(said) or "__" in said:
                what = f"{file.name} has an expression for a size that is none: {said[:60]}"
                raise Refused("not-a-model", what, "it would be evaluated as Python")


def only_tensors() -> None:
    """PyTorch falls back to unpickling anything; here it does not."""
    import torch

    plain = torch.load

    def load_tensors(*args: Any, **options: Any) -> Any:
        return plain(*args, **{**options, "weights_only": True, "map_location": "cpu"})

    torch.load = load_tensors


def load(file: Path) -> Any:
    """Raises Refused."""
    import torch

    try:
        return torch.export.load(str(file))
    except Exception as bad:  # noqa: BLE001 - of many kinds
        what = f"PyTorch does not load {file.name}"
        raise Refused("not-a-model", what, detail=f"{type(bad).__name__}: {bad}"[:1500]) from None


def signature(program: Any) -> tuple[dict[str, list[int]], list[str]]:
    """Shapes by the names of the inputs, and a warning for each size that was left open. Raises Refused."""
    import torch

    found: dict[str, list[int]] = {}
    warned = []
    values = {n.name: n.meta["val"] for n in program.graph.nodes if n.op == "placeholder"}
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
            kind = getattr(value, "dtype", type(value).__name__)
            what = f"the input {name} is {kind}, and only float32 tensors can be fed"
            raise Refused("unsupported-input", what, fix="convert inside of forward")
        found[name] = [n if isinstance(n, int) else 1 for n in value.shape]
        open_ones = [place for place, n in enumerate(value.shape) if not isinstance(n, int)]
        if open_ones and open_ones != [0]:
            what = f"the input {name} has an open size at {open_ones}"
            raise Refused("unsupported-input", what, "the converted model is planned for one shape", AGAIN)
        if open_ones:
            warned.append(f"{name}: the open batch dimension is computed with 1")
    return found, warned


def export(program: Any, inputs: dict[str, list[int]], out: Path) -> Path:
    """Raises Refused where PyTorch's exporter does."""
    import torch

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                program, opset_version=OPSET, dynamo=True, input_names=list(inputs), verbose=False
            )
        model = made.model_proto
    except Exception as bad:  # noqa: BLE001 - of many kinds
        words = f"{type(bad).__name__}: {bad}"
        cause = f"{words}\n{bad.__cause__ or ''}"
        missing = re.search(
            r"No (?:ONNX function|decompositions) (?:found|registered) for[^\n]*?([\w:.]*aten[\w:.]+)", cause
        )
        if missing:
            what = f"PyTorch's exporter has nothing for {missing[1]}"
            fix = f"write that part with operators that ONNX {OPSET} has, or move it into your own post code"
            raise Refused("unsupported-operator", what, fix=fix, detail=cause[-1500:]) from None
        what = "PyTorch's exporter refused the program"
        raise Refused("converter-failed", what, detail=cause[-1500:]) from None
    number_outputs(model)
    return imported.write(model, out)


def number_outputs(model: Any) -> None:
    """``output0``, ``output1``, …: the exporter's own names are those of its last operators."""
    renamed = {value.name: f"output{n}" for n, value in enumerate(model.graph.output)}
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    if taken & set(renamed.values()):
        return
    for value in (*model.graph.output, *model.graph.value_info):
        value.name = renamed.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]


def compute(module: Any, feeds: dict[str, Any], file: Path) -> dict[str, Any]:
    """What PyTorch itself gives, by the names in the ONNX file."""
    import torch
    from torch.utils import _pytree

    names = [value.name for value in imported.session(file).get_outputs()]
    with torch.no_grad():
        found = _pytree.tree_leaves(module(*(torch.from_numpy(value) for value in feeds.values())))
    return {name: value.numpy() for name, value in zip(names, found, strict=True)}
