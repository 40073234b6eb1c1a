"""Fewer nodes that compute the same; other opsets; attributes at their defaults left out."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from edgepack_recipe import Refused
from graph import OWN, constants, nodes, opset
from samples import Reference

# operator → the opset since which an input says what an attribute said before, and that attribute
# (ONNX's own Changelog.md)
MOVED = {
    "Squeeze": (13, "axes"),
    "Unsqueeze": (13, "axes"),
    "ReduceSum": (13, "axes"),
    "Split": (13, "split"),
    **dict.fromkeys(
        ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum"),
        (18, "axes"),
    ),
}
NO_REGION = "edgepack:no-region"


def simplified(model: onnx.ModelProto, reference: Reference) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """By onnxslim, else by onnxsim: the first whose result computes the same. Raises Refused."""
    said = []
    for name, simplify in (("onnxslim", _slim), ("onnxsim", _sim)):
        try:
            result = simplify(model)
            wrong = reference.differs(result)
        except Exception as raised:  # noqa: BLE001 - they raise whatever goes wrong inside them
            wrong = f"{type(raised).__name__}: {raised}"[:500]
        if not wrong:
            counts = [len(model.graph.node), len(result.graph.node)]
            return result, {"did": "simplified", "by": f"{name} {version(name)}", "nodes": counts}
        said.append(f"{name}: {wrong}")
    what = "the model cannot be simplified"
    why = "onnxslim and onnxsim refuse it, or what they write computes something else"
    raise Refused("converter-failed", what, why, "leave simplify out", "\n".join(said))


def _slim(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnxslim

    return onnxslim.slim(_copy(model))


def _sim(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnxsim

    result, _checked = onnxsim.simplify(_copy(model))
    return result


def converted(
    model: onnx.ModelProto, wanted: int, reference: Reference
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The model in another opset: by ONNX's version converter, else restated, since most new versions of an
    operator only take more types, or one of its attributes as an input; computed and compared in either case.
    Raises Refused."""
    said = []
    change = {"did": "opset", "from": opset(model), "to": wanted}
    for by, convert in (("onnx version converter", _convert), ("restating it", _restated)):
        try:
            result = convert(model, wanted)
            onnx.checker.check_model(result.SerializeToString(), full_check=True)
            wrong = reference.differs(result)
        except Exception as raised:  # noqa: BLE001 - RuntimeError, ValidationError, ConvertError
            wrong = f"{type(raised).__name__}: {raised}"[:500]
        if not wrong:
            return result, {**change, "by": by}
        said.append(f"{by}: {wrong}")
    raise Refused(
        "converter-failed",
        f"the model cannot be brought from opset {opset(model)} to {wanted}",
        "ONNX's version converter refuses it, or the result computes something else",
        f"export it at opset {wanted}",
        "\n".join(said),
    )


def _convert(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    return onnx.version_converter.convert_version(model, wanted)


def _restated(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    """Another stamp; going back, inputs that were attributes once become attributes again, and Resize gets
    the empty region that it needed before opset 13."""
    result = _copy(model)
    own = opset(model)
    held = constants(result.graph)
    for node in nodes(result.graph):
        since, attribute = MOVED.get(node.op_type, (0, ""))
        if wanted < since <= own and len(node.input) > 1 and node.input[1] in held:
            values = onnx.numpy_helper.to_array(held[node.input[1]])
            node.attribute.append(onnx.helper.make_attribute(attribute, values.tolist()))
            del node.input[1]
        if (
            node.op_type == "Resize"
            and 11 <= wanted < 13 <= own
            and len(node.input) > 1
            and not node.input[1]
        ):
            node.input[1] = NO_REGION
    if any(NO_REGION in node.input for node in nodes(result.graph)):
        result.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(0, np.float32), NO_REGION))
    for entry in result.opset_import:
        if entry.domain in OWN:
            entry.version = wanted
    return result


def strip_defaults(model: onnx.ModelProto) -> int:
    """Leave out attributes that say what ONNX says anyway; some converters read only one of the spellings.
    Returns how many."""
    own = opset(model)
    dropped = 0
    for node in nodes(model.graph):
        if node.domain not in OWN:
            continue
        defaults = onnx.defs.get_schema(node.op_type, own, "").attributes
        kept = [a for a in node.attribute if not _implied(defaults.get(a.name), a)]
        dropped += len(node.attribute) - len(kept)
        del node.attribute[:]
        node.attribute.extend(kept)
    return dropped


def _implied(known: Any, attribute: onnx.AttributeProto) -> bool:
    if attribute.name == "dilations":  # ONNX gives its default in words only
        return all(i == 1 for i in attribute.ints)
    if known is None or known.default_value is None or known.default_value.type != attribute.type:
        return False
    value = onnx.helper.get_attribute_value
    return bool(value(known.default_value) == value(attribute))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
