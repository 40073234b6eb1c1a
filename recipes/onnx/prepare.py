"""The whole of ``convert``, in a process of its own: ``prepare.py REQUEST.json ANSWER.json``.

A file that is said to be a model can crash what reads it, and a crash must end in a sentence too.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
import signature
from checking import check_numbers, check_operators, check_whole
from edgepack_recipe import Refused, Request
from facts import facts
from graph import OWN, nodes, opset
from prune import prune
from reading import inline_external_data, parse
from samples import Reference
from simplify import converted, simplified, strip_defaults
from split import split

OPTIONS = {"shapes", "split", "simplify", "prune", "opset", "strip_defaults"}
OLDEST_IR = 8  # of onnx 1.10: what the oldest converters still read


@dataclass
class Prepared:
    """The model on its way, with what was done to it."""

    model: onnx.ModelProto
    changes: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def main(request_file: Path, answer: Path) -> None:
    request = Request.from_json(json.loads(request_file.read_text()))
    try:
        body: dict[str, Any] = prepare(request)
    except Refused as refused:
        body = {"error": refused.as_json()}
    answer.write_text(json.dumps(body))


def prepare(request: Request) -> dict[str, Any]:
    """``model.onnx`` in ``out``, and the report. Raises Refused."""
    unknown = set(request.options) - OPTIONS
    if unknown:
        what = f"{sorted(unknown)[0]} is no option of this recipe"
        raise Refused("converter-failed", what, fix="its options: " + ", ".join(sorted(OPTIONS)))
    work = read(request)
    inputs = [signature.describe_input(value) for value in work.model.graph.input]
    check_with(work.model, dict(request.options.get("shapes") or {}))
    change(work, request.options)
    work.model = signature.infer_shapes(work.model)
    work.warnings += signature.complete_shapes(work.model)
    if work.changes:
        check_whole(work.model)
        inputs = [signature.describe_input(value) for value in work.model.graph.input]
    reference = Reference.of(work.model)
    report = {
        "files": ["model.onnx"],
        "inputs": inputs,
        **facts(work.model),
        "tool": {"name": "onnx", "version": version("onnx")},
        "reference": {
            "name": "ONNX Runtime",
            "version": version("onnxruntime"),
            "samples": len(reference.feeds),
        },
        "changes": work.changes,
        "done": [told(change) for change in work.changes],
        "warnings": work.warnings,
        "kept": [],
    }
    data = work.model.SerializeToString(deterministic=True)
    (request.out / "model.onnx").write_bytes(data)
    return report


def check_with(model: onnx.ModelProto, shapes: dict[str, list[int]]) -> None:
    """``check_whole``; where the user has said shapes, they are the likelier fault. Raises Refused."""
    try:
        check_whole(model)
    except Refused as refused:
        if not shapes:
            raise
        said = ", ".join(f"{name}: {list(shape)}" for name, shape in shapes.items())
        what = f"the model cannot be computed with the shape that model.shapes says ({said})"
        why = "a layer inside gets a size that it does not fit: detectors take multiples of a stride"
        fix = "say another in edgepack.yaml, most take multiples of 32"
        raise Refused("unsupported-input", what, why, fix, refused.detail[:600]) from None


def read(request: Request) -> Prepared:
    """The model as one graph: nothing outside it, no functions, a name for each node, fixed inputs."""
    model = parse(request.model)
    inline_external_data(model, request.model)
    check_numbers(model)
    check_operators(model)
    signature.drop_weights_from_inputs(model)
    warnings = signature.fix_shapes(model, dict(request.options.get("shapes") or {}))
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    forget(model)
    name_nodes(model)
    return Prepared(model, warnings=warnings)


def change(work: Prepared, options: dict[str, Any]) -> None:
    """What the user or the planner asks for, in the one order in which it makes sense. Raises Refused."""
    if options.get("split"):
        asked = options["split"]
        inferred = signature.infer_shapes(work.model)
        work.warnings += signature.complete_shapes(inferred)
        work.model, did, warnings = split(inferred, str(asked.get("at")), str(asked.get("part")))
        work.changes.append(did)
        work.warnings += warnings
    if options.get("simplify"):
        work.model, did = simplified(work.model, Reference.of(work.model))
        work.changes.append(did)
        name_nodes(work.model)
    if options.get("prune"):
        work.changes.append(prune(work.model, options["prune"].get("magnitude")))
    wanted = options.get("opset")
    if wanted and int(wanted) != opset(work.model):
        work.model, did = converted(work.model, int(wanted), Reference.of(work.model))
        work.changes.append(did)
        name_nodes(work.model)
    if options.get("strip_defaults"):
        work.changes.append({"did": "defaults left out", "attributes": strip_defaults(work.model)})


def told(change: dict[str, Any]) -> str:
    """A change in words, for the line that a build shows."""
    did = change["did"]
    if did == "simplified":
        before, after = change["nodes"]
        return f"simplified by {change['by']} ({before} to {after} nodes)"
    if did == "opset":
        return f"opset {change['from']} to {change['to']} by {change['by']}"
    if did == "pruned":
        share, (before, after) = change["zeros"] / change["weights"], change["gzip"]
        return f"pruned, {share:.0%} of the weights are 0 (gzip {before / 1e3:,.0f} to {after / 1e3:,.0f} kB)"
    if did == "split":
        return f"the part {change['part']} {change['at']}"
    return f"{change['attributes']} attributes at their defaults left out"


def forget(model: onnx.ModelProto) -> None:
    """What no converter needs and old ones stumble over: a newer file version than the operators need, and
    notes, in which exporters write stack traces with the paths of the machine that trained it."""
    needed = onnx.helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    model.ir_version = min(model.ir_version, max(needed, OLDEST_IR))
    model.ClearField("doc_string")
    model.graph.ClearField("doc_string")
    for node in nodes(model.graph):
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for entry in model.opset_import:  # one domain, one spelling
        if entry.domain in OWN:
            entry.domain = ""


def name_nodes(model: onnx.ModelProto) -> None:
    """Each node gets a name of its own, so that it can be kept in floating point or blamed: its own, else its
    operator's and its first output's."""
    taken: set[str] = set()
    for node in nodes(model.graph):
        wanted = node.name or f"{node.op_type}_{node.output[0] if node.output else ''}"
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name)
        node.name = name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
