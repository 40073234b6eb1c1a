"""What is this ONNX file, and can it be converted? A file is treated as hostile until shown otherwise.

Usage: ``check.py MODEL WORK ANSWER``. Writes to WORK the model's spellings for the converter
(external data inlined, batch fixed) and to ANSWER either ``{"error": …}`` or
``{"inputs", "operators", "nodes", "spellings", "warnings"}``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError, Message

LARGEST_MODEL = 2_000_000_000  # bytes; a protobuf message ends at 2 GiB
LARGEST_INPUT = 1 << 28  # elements, 1 GiB of float32
OPSETS = range(7, 27)  # recipe.yaml says why; a test holds the two together
RUNTIME_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # what ONNX Runtime brings along
FOREIGN = (  # first bytes, at an offset, of files that are often given instead
    (0, b"PK\x03\x04", "a zip archive: a PyTorch checkpoint, a Keras file or numpy arrays"),
    (0, b"\x80\x02", "a Python pickle, such as an old PyTorch checkpoint"),
    (0, b"\x89HDF", "HDF5, such as an old Keras model"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"version https://git-lfs", "a Git LFS pointer: the model itself was not fetched (git lfs pull)"),
    (0, b"<", "HTML or XML: perhaps a download's error page"),
    (0, b"7767517\n", "ncnn's own .param, already converted"),
)
EXPORT_AGAIN = "export the model again, or copy it again and compare sizes"


@dataclass(eq=False)
class Refused(Exception):
    """Why the model is not converted: the report's ``error``."""

    kind: str
    what: str
    why: str = ""
    fix: str = ""
    detail: str = ""


def main(model_file: Path, work: Path, answer: Path) -> None:
    try:
        facts = check(model_file, work)
    except Refused as refused:
        facts = {"error": dict(vars(refused))}
    answer.write_text(json.dumps(facts))


def check(file: Path, work: Path) -> dict[str, Any]:
    """Facts about the model, its spellings written. Raises Refused."""
    model = parse(file)
    inline_external_data(model, file)
    check_numbers(model)
    check_operators(model)
    _drop_weights_from_inputs(model)
    warnings = fix_batch(model)
    inputs = [{"name": f"in{i}", **check_input(v)} for i, v in enumerate(model.graph.input)]
    check_whole(model)
    for value in model.graph.output:
        check_output(value)
    return {
        "inputs": inputs,
        "operators": {op: len(nodes) for op, nodes in _by_operator(model).items()},
        "nodes": _by_operator(model),
        "spellings": write_spellings(model, work),
        "warnings": warnings,
    }


def parse(file: Path) -> onnx.ModelProto:
    """The file as protobuf, with at least one node and an opset in range. Raises Refused."""
    kind = file.stat().st_mode if file.exists() else 0
    if not stat.S_ISREG(kind):
        raise Refused("not-a-model", f"{file.name} is not a file", fix="name the ONNX file in model.file")
    if file.stat().st_size > LARGEST_MODEL:
        raise Refused("not-a-model", f"{file.name} is larger than an ONNX file can be, 2 GB")
    data = file.read_bytes()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise _not_onnx(file.name, data) from None
    if not model.ir_version:
        raise _not_onnx(file.name, data)
    if not model.graph.node or not model.opset_import:
        what = f"{file.name} is cut off, or was never finished"
        raise Refused("not-a-model", what, "it has no operators, or no opset", EXPORT_AGAIN)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset not in OPSETS:
        raise Refused(
            "not-a-model",
            f"{file.name} has opset {opset}; this recipe takes {OPSETS[0]} to {OPSETS[-1]}",
            why="ONNX Runtime, which the result is compared with, does not run it",
            fix="export at opset 13 (torch.onnx.export(…, opset_version=13))",
        )
    return model


def _not_onnx(name: str, data: bytes) -> Refused:
    for offset, magic, words in FOREIGN:
        if data[offset : offset + len(magic)] == magic:
            fix = "export the trained model to ONNX and give that file in model.file"
            return Refused("not-a-model", f"{name} is not an ONNX file", f"it looks like {words}", fix)
    if not data:
        return Refused("not-a-model", f"{name} is empty", fix=EXPORT_AGAIN)
    missing = _bytes_missing(data)
    if missing:
        what, why = f"{name} is cut off", f"at least {missing} bytes are missing at its end"
        return Refused("not-a-model", what, why, EXPORT_AGAIN)
    fix = "export the trained model to ONNX and give that file in model.file"
    return Refused("not-a-model", f"{name} is not an ONNX file", "its bytes are no ONNX model", fix)


def _bytes_missing(data: bytes) -> int:
    """How many bytes the outermost fields promise beyond the end; 0 where they are no ModelProto.

    Fields of ModelProto by onnx.proto: varints 1 and 5, the others length-delimited; wire format
    by protobuf's encoding guide.
    """
    at = 0
    while at < len(data):
        field, wire = data[at] >> 3, data[at] & 7
        if data[at] & 0x80:  # fields 16 and up: 20 functions, 25 and 26
            field, at = field & 15 | (data[at + 1] << 4 if at + 1 < len(data) else 0), at + 1
        if field not in (1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26) or wire != (0 if field in (1, 5) else 2):
            return 0
        value, at = _varint(data, at + 1)
        if at > len(data):
            return 1
        at += value if wire == 2 else 0
    return at - len(data)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends; one past the data's end where it is cut off."""
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at
    return 0, len(data) + 1


def inline_external_data(model: onnx.ModelProto, file: Path) -> None:
    """Weights in files beside the model are read into it; no path may leave the model's folder."""
    folder = file.parent.resolve()
    total = file.stat().st_size
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {e.key: e.value for e in tensor.external_data}
        location, name = entries.get("location", ""), _shown(tensor.name)
        path = PurePosixPath(location)
        beside = folder / location
        if not location or path.is_absolute() or ".." in path.parts or "\\" in location:
            what = f"{file.name} wants the weights {name} from {_shown(location)!r}"
            raise Refused("not-a-model", what, "a model may only name files in its own folder")
        if not beside.is_file():
            what = f"{file.name} keeps weights in {_shown(location)}, which is not beside it"
            fix = f"copy {_shown(location)} beside {file.name}, or save the model as one file"
            raise Refused("not-a-model", what, f"{name} is stored there as external data", fix)
        if not beside.resolve().is_relative_to(folder):
            what = f"{_shown(location)} leads out of the model's folder"
            raise Refused("not-a-model", what, "it is a link to somewhere else", "copy the file itself")
        tensor.raw_data = _read_part(beside, entries, name)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        total += len(tensor.raw_data)
        if total > LARGEST_MODEL:
            raise Refused("not-a-model", f"{file.name} and its external data are larger than 2 GB")


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """All tensors wherever they are: weights, sparse ones, attributes, functions, inner graphs."""
    for _, value in message.ListFields():
        for item in value if _repeated(value) else [value]:
            if isinstance(item, onnx.TensorProto):
                yield item
            elif isinstance(item, Message):
                yield from _tensors(item)
            else:
                break


def _repeated(value: object) -> bool:
    return not isinstance(value, (Message, str, bytes, int, float))


def _read_part(file: Path, entries: dict[str, str], name: str) -> bytes:
    size = file.stat().st_size
    try:
        offset = int(entries.get("offset", "0") or 0)
        length = int(entries.get("length", "") or size - offset)
    except ValueError:
        offset = length = -1
    if offset < 0 or length < 0 or offset + length > size or length > LARGEST_MODEL:
        what = f"{file.name} is too short for the weights {name}"
        raise Refused("not-a-model", what, "it is cut off, or belongs to another model", EXPORT_AGAIN)
    with file.open("rb") as f:
        return os.pread(f.fileno(), length, offset)


def check_numbers(model: onnx.ModelProto) -> None:
    """No weight is NaN, on which pnnx crashes. Infinity is well known from masks."""
    for tensor in _tensors(model):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        try:
            values = onnx.numpy_helper.to_array(tensor)
        except ValueError:
            what = f"the weights {_shown(tensor.name)} have another size than their shape says"
            raise Refused("not-a-model", what, "the file is damaged", EXPORT_AGAIN) from None
        if np.isnan(values).any():
            what = f"the weights {_shown(tensor.name)} are not numbers (NaN)"
            why = "the training diverged, or the file is damaged"
            raise Refused("not-a-model", what, why, "train again from an earlier checkpoint, and export that")


def check_operators(model: onnx.ModelProto) -> None:
    """Each node's operator is one that ONNX, ONNX Runtime or the model itself defines."""
    own = {(f.domain, f.name) for f in model.functions}
    unknown: dict[str, list[str]] = {}
    for node in _nodes(model.graph):
        default = node.domain in ("", "ai.onnx")
        known = onnx.defs.has(node.op_type) if default else node.domain in RUNTIME_DOMAINS
        if not known and (node.domain, node.op_type) not in own:
            label = node.op_type if default else f"{node.domain}::{node.op_type}"
            unknown.setdefault(_shown(label), []).append(_node_name(node))
    if unknown:
        which = "; ".join(f"{op} (node {', '.join(names[:5])})" for op, names in unknown.items())
        raise Refused(
            "unsupported-operator",
            f"the model uses operators that ONNX does not define: {which}",
            why="they belong to the program that trained or exported it, and no converter knows them",
            fix="export with standard operators only, or cut the model before them and do them in your "
            "own post code",
        )


def _drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    weights = {w.name for w in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def fix_batch(model: onnx.ModelProto) -> list[str]:
    """A batch that was left open becomes 1: a box answers one image at a time."""
    warnings = []
    batch = set()
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if len(dims) > 1 and not dims[0].HasField("dim_value"):
            batch.add(dims[0].dim_param)
            dims[0].dim_value = 1
            warnings.append(f"{_shown(value.name)}: the open batch dimension was fixed to 1")
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim[:1]:
            if dim.dim_param and dim.dim_param in batch:
                dim.dim_value = 1
    return warnings


def check_input(value: onnx.ValueInfoProto) -> dict[str, Any]:
    """Float32 of fixed shape, batch 1 and two to five dimensions: ``{name, tensor, shape, dtype}``."""
    name, tensor = _shown(value.name), value.type.tensor_type
    dims = tensor.shape.dim
    shape = [d.dim_value if d.HasField("dim_value") else _shown(d.dim_param) or "?" for d in dims]
    shown = f"{name} [{', '.join(map(str, shape))}]"
    fix = "export with a fixed shape: torch.onnx.export(…) without dynamic axes, on an example of batch 1"
    if not value.type.HasField("tensor_type") or tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
        what = f"the input {name} is {kind.lower()}; ncnn takes float"
        raise Refused("unsupported-input", what, fix="cast inside `pre`, and export with a float input")
    if not all(isinstance(d, int) for d in shape):
        what = f"the input {shown} has a dynamic shape"
        raise Refused("unsupported-input", what, "only the batch may be left open", fix)
    sizes = [d for d in shape if isinstance(d, int)]
    if not 2 <= len(sizes) <= 5 or sizes[0] != 1 or min(sizes) < 1:
        what = f"the input {shown} is not a batch of 1 with one to four more dimensions"
        raise Refused("unsupported-input", what, "ncnn computes one sample at a time", fix)
    elements = 1
    for size in sizes:
        elements *= size
    if elements > LARGEST_INPUT:
        raise Refused("unsupported-input", f"the input {shown} is larger than 1 GiB", fix=fix)
    return {"tensor": value.name, "shape": sizes, "dtype": "float32"}


def check_output(value: onnx.ValueInfoProto) -> None:
    """ncnn gives float32 back."""
    kind = value.type.tensor_type.elem_type
    if kind != onnx.TensorProto.FLOAT:
        raise Refused(
            "unsupported-input",
            f"the output {_shown(value.name)} is {onnx.TensorProto.DataType.Name(kind).lower()}; "
            "ncnn gives float",
            fix="export without the last operators (ArgMax, NonMaxSuppression, …) and do them in `post`",
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


def write_spellings(model: onnx.ModelProto, work: Path) -> list[str]:
    """The model without and with attributes at their defaults; one where that is the same."""
    plain = model.SerializeToString(deterministic=True)
    opset = max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    for node in _nodes(model.graph):
        if node.domain in ("", "ai.onnx"):
            _strip_defaults(node, opset)
    stripped = model.SerializeToString(deterministic=True)
    written = {"stripped.onnx": stripped, "plain.onnx": plain}
    if stripped == plain:
        del written["stripped.onnx"]
    for name, data in written.items():
        (work / name).write_bytes(data)
    return list(written)


def _strip_defaults(node: onnx.NodeProto, opset: int) -> None:
    defaults = onnx.defs.get_schema(node.op_type, opset, "").attributes
    kept = []
    for attribute in node.attribute:
        known = defaults.get(attribute.name)
        implied = known is not None and _same_value(known.default_value, attribute)
        if attribute.name == "dilations":  # ONNX gives its default in words only
            implied = all(i == 1 for i in attribute.ints)
        if not implied:
            kept.append(attribute)
    del node.attribute[:]
    node.attribute.extend(kept)


def _same_value(one: onnx.AttributeProto | None, other: onnx.AttributeProto) -> bool:
    if one is None or one.type != other.type:
        return False
    value = onnx.helper.get_attribute_value
    return bool(value(one) == value(other))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _by_operator(model: onnx.ModelProto) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in _nodes(model.graph):
        found.setdefault(_shown(node.op_type), []).append(_node_name(node))
    return dict(sorted(found.items()))


def _node_name(node: onnx.NodeProto) -> str:
    return _shown(node.name or (node.output[0] if node.output else "") or "without a name")


def _shown(text: str) -> str:
    """A model's own words, safe on a terminal and short."""
    return "".join(c if c.isprintable() else "?" for c in text[:80])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
