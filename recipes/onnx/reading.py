"""A file that is said to be ONNX, treated as hostile until shown otherwise; what it keeps in other files."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

import onnx
from edgepack_recipe import Refused
from google.protobuf.message import DecodeError
from graph import opset, shown, tensors

LARGEST_MODEL = 2_000_000_000  # bytes; a protobuf message ends at 2 GiB
OPSETS = range(7, 27)  # recipe.yaml says why; a test holds the two together
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
    version = opset(model)
    if version not in OPSETS:
        raise Refused(
            "not-a-model",
            f"{file.name} has opset {version}; edgepack takes {OPSETS[0]} to {OPSETS[-1]}",
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
    for tensor in tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {e.key: e.value for e in tensor.external_data}
        location, name = entries.get("location", ""), shown(tensor.name)
        path = PurePosixPath(location)
        beside = folder / location
        if not location or path.is_absolute() or ".." in path.parts or "\\" in location:
            what = f"{file.name} wants the weights {name} from {shown(location)!r}"
            raise Refused("not-a-model", what, "a model may only name files in its own folder")
        if not beside.is_file():
            what = f"{file.name} keeps weights in {shown(location)}, which is not beside it"
            fix = f"copy {shown(location)} beside {file.name}, or save the model as one file"
            raise Refused("not-a-model", what, f"{name} is stored there as external data", fix)
        if not beside.resolve().is_relative_to(folder):
            what = f"{shown(location)} leads out of the model's folder"
            raise Refused("not-a-model", what, "it is a link to somewhere else", "copy the file itself")
        tensor.raw_data = _read_part(beside, entries, name)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        total += len(tensor.raw_data)
        if total > LARGEST_MODEL:
            raise Refused("not-a-model", f"{file.name} and its external data are larger than 2 GB")


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
