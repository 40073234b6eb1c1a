"""TorchScript to ONNX by PyTorch's own exporter, held to PyTorch itself.

The input's shape is not part of a TorchScript module. It comes from the option ``shapes``, from
``edgepack.json`` among the archive's extra files, from what the module was traced with, or from Ultralytics'
``config.txt``. The contract: docs/design/recipes.md.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

from archive import Asked, asked, look
from edgepack_recipe import Refused, Request, imported, no_cuda

OPSET = 17
EXAMPLE = [1, 3, 224, 224]


def say(names: list[str]) -> str:
    """How to say the shapes of these inputs."""
    shapes = ", ".join(f"{name}: {EXAMPLE}" for name in names)
    inputs = json.dumps({"inputs": dict.fromkeys(names, EXAMPLE)})
    return (
        f"say it in edgepack.yaml, `model.shapes: {{{shapes}}}`; or save it with torch.jit.trace, which "
        "keeps the shape, or with it in the file: torch.jit.save(model, file, "
        f"_extra_files={{\"edgepack.json\": '{inputs}'}})"
    )


def convert(request: Request) -> dict[str, Any]:
    """The report of a success, with ``model.onnx`` in ``out``. Raises Refused."""
    with look(request.model) as archive:
        said = asked(archive, request.options)
    no_cuda.stand_in(request.work)
    import torch

    torch.set_num_threads(2)
    module = load(request.model)
    inputs, outputs = named(module, said)
    file = export(module, inputs, outputs, request.out / imported.NAME)
    pairs = [(feeds, compute(module, feeds, file)) for feeds in imported.draws(inputs)]
    return imported.report(file, ("PyTorch", torch.__version__.partition("+")[0]), pairs)


def load(file: Path) -> Any:
    """The module, on the processor, in evaluation mode. Raises Refused."""
    import torch

    try:
        return torch.jit.load(str(file), map_location="cpu").eval()
    except Exception as bad:  # noqa: BLE001 - RuntimeErrors of many kinds
        words = str(bad)
        missing = re.search(r"Unknown builtin op: ([\w:]+)", words)
        if missing:
            what = f"PyTorch has no operator {missing[1]}"
            fix = (
                "torchvision's and other packages' operators are not in PyTorch: leave them out of the module"
            )
            raise Refused("unsupported-operator", what, fix=fix, detail=words[:1500]) from None
        what = f"PyTorch does not load {file.name}"
        raise Refused("not-a-model", what, "it is damaged", "copy it again", words[:1500]) from None


def named(module: Any, said: Asked) -> tuple[dict[str, list[int]], list[str]]:
    """Shapes by the names that the inputs get, and the names of outputs that are said. Raises Refused."""
    own = [value.debugName() for value in module.graph.inputs()][1:]  # the first is the module itself
    own = [re.sub(r"\.\d+$", "", name) for name in own]
    if not said.inputs:
        raise Refused(
            "unsupported-input",
            "nothing says which shape the input has",
            f"forward takes {', '.join(own)}, and TorchScript keeps no shapes",
            say(own),
        )
    if len(said.inputs) != len(own):
        what = (
            f"forward takes {len(own)} inputs ({', '.join(own)}), and {said.source} says {len(said.inputs)}"
        )
        raise Refused("unsupported-input", what, fix=say(own))
    names = [own[n] if name.startswith("#") else name for n, name in enumerate(said.inputs)]
    return dict(zip(names, said.inputs.values(), strict=True)), said.outputs


def export(module: Any, inputs: dict[str, list[int]], outputs: list[str], file: Path) -> Path:
    """Raises Refused where PyTorch's exporter does."""
    import onnx
    import torch

    example = tuple(torch.zeros(shape) for shape in inputs.values())
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = flat(module(*example))
            names = (outputs + [f"output{n}" for n in range(len(outputs), len(found))])[: len(found)]
            torch.onnx.export(
                module,
                example,
                str(file.with_suffix(".raw")),
                opset_version=OPSET,
                dynamo=False,
                input_names=list(inputs),
                output_names=names,
            )
    except Exception as bad:  # noqa: BLE001 - of many kinds
        raise failed(bad, inputs) from None
    return imported.write(onnx.load(str(file.with_suffix(".raw"))), file.parent)


def failed(bad: Exception, inputs: dict[str, list[int]]) -> Refused:
    """In PyTorch's own words, where they are known in ours."""
    words = str(bad)
    operator = re.search(r"operator '([\w:.]+)'|Unsupported: ONNX export of operator (\w+)", words)
    if type(bad).__name__ == "UnsupportedOperatorError" and operator:
        what = f"PyTorch's exporter has nothing for {operator[1] or operator[2]}"
        fix = f"write that part with operators that ONNX {OPSET} has, or move it into your own post code"
        return Refused("unsupported-operator", what, fix=fix, detail=words[:1500])
    shapes = ", ".join(f"{name} {shape}" for name, shape in inputs.items())
    what = f"PyTorch cannot compute or export the module with {shapes}"
    return Refused(
        "converter-failed", what, fix=f"check the shape; {say(list(inputs))}", detail=words[-1500:]
    )


def flat(found: Any) -> list[Any]:
    """Tensors in the order in which the exporter numbers them."""
    if isinstance(found, dict):
        return [t for value in found.values() for t in flat(value)]
    if isinstance(found, (list, tuple)):
        return [t for value in found for t in flat(value)]
    return [found]


def compute(module: Any, feeds: dict[str, Any], file: Path) -> dict[str, Any]:
    """What PyTorch itself gives, by the names in the ONNX file."""
    import torch

    names = [value.name for value in imported.session(file).get_outputs()]
    with torch.no_grad():
        found = flat(module(*(torch.from_numpy(value) for value in feeds.values())))
    return {name: value.numpy() for name, value in zip(names, found, strict=True)}
