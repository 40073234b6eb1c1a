"""What a PyTorch file is, told without running anything in it.

A TorchScript archive is a zip with ``code/`` and ``data.pkl``; ``torch.save`` writes a zip without ``code/``
whose pickle may start any program when it is loaded. So nothing here unpickles: ``traced_inputs.pkl``, which
tracing leaves in a TorchScript archive, is read by an unpickler that knows tensors and nothing else.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused

HOW = (
    "in the training code: model.eval(); torch.jit.trace(model, torch.zeros(1, 3, 224, 224))"
    ".save('model.pt'), with your own input shape, or torch.onnx.export to an .onnx file"
)
MAX_TEXT = 1 << 20
CLASSES = 200_000  # bytes of data.pkl that are looked through for the names of classes


@dataclass(frozen=True)
class Asked:
    """Input shapes by name, in the order of ``forward``; output names; where they are said. Empty: not
    said."""

    inputs: dict[str, list[int]]
    outputs: list[str]
    source: str


def look(file: Path) -> zipfile.ZipFile:
    """The archive, where it is TorchScript. Raises Refused, saying what it is instead."""
    if not file.is_file():
        raise Refused("not-a-model", f"{file.name} is not a file", fix="name the .pt file in model.file")
    if not zipfile.is_zipfile(file):
        raise _no_zip(file)
    try:
        archive = zipfile.ZipFile(file)
        names = archive.namelist()
    except (zipfile.BadZipFile, ValueError) as bad:
        raise Refused("not-a-model", f"{file.name} is damaged", str(bad), "copy it again") from None
    inside = [name.partition("/")[2] for name in names]
    if any(name.startswith("models/") or name == "serialized_exported_program.json" for name in inside):
        why, fix = "it was written by torch.export.save", "name it .pt2, or set model.format: torch-exported"
        raise Refused("not-a-model", f"{file.name} is an exported program, no TorchScript", why, fix)
    code = any(name.startswith("code/") for name in inside)
    if code and "data.pkl" in inside and "constants.pkl" in inside:
        return archive
    if "data.pkl" in inside:
        raise _pickled(file, archive)
    why = "neither code/ nor data.pkl is in it"
    raise Refused("not-a-model", f"{file.name} is a zip file, but none of PyTorch's", why, HOW)


def _no_zip(file: Path) -> Refused:
    with file.open("rb") as opened:
        first = opened.read(64)
    if first[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04"):
        why = "it is a bare pickle of PyTorch before 1.6, which may start any program when it is loaded"
        return Refused("not-a-model", f"{file.name} holds weights without the network's code", why, HOW)
    if first.startswith(b"version https://git-lfs"):
        return Refused("not-a-model", f"{file.name} is a pointer of Git LFS", fix="git lfs pull")
    why = "it is not a zip file" if first else "it is empty"
    return Refused("not-a-model", f"{file.name} is cut off, or is not a PyTorch file", why, HOW)


def _pickled(file: Path, archive: zipfile.ZipFile) -> Refused:
    """Weights alone, or a whole pickled module: told apart by the classes that the pickle names."""
    name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
    with archive.open(name) as opened:
        classes = _classes(opened.read(CLASSES))
    own = sorted(c for c in classes if not c.startswith(("torch.", "collections.", "torch ", "numpy.")))
    modules = sorted(c for c in classes if c.startswith("torch.nn.modules"))
    if own or modules:
        why = (
            f"it is a pickled module ({', '.join((own or modules)[:3])}): its code is only in the Python "
            "files of the training, and loading it can start any program"
        )
    else:
        why = "it is a state_dict: names and numbers, but nothing says how they are connected"
    return Refused("not-a-model", f"{file.name} holds weights without the network's code", why, HOW)


def _classes(data: bytes) -> set[str]:
    """The classes that a pickle would import, by its GLOBAL opcodes; never loads it."""
    import pickletools

    found: set[str] = set()
    try:
        for opcode, value, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL":
                found.add(str(value).replace(" ", "."))
    except ValueError:  # cut off after CLASSES bytes
        pass
    return found


def asked(archive: zipfile.ZipFile, options: dict[str, Any]) -> Asked:
    """Input shapes: from the options, from ``edgepack.json`` or Ultralytics' ``config.txt`` in the archive's
    extra files, or from what the module was traced with."""
    if options.get("shapes"):
        return Asked({k: list(v) for k, v in options["shapes"].items()}, [], "the options")
    by_hand = _text(archive, "extra/edgepack.json")
    if by_hand:
        return _own(json.loads(by_hand))
    traced = _traced(archive)
    if traced:
        return Asked(traced, [], "what it was traced with")
    config = _text(archive, "extra/config.txt")
    if config:
        return Asked(_ultralytics(json.loads(config)), [], "the archive's config.txt")
    return Asked({}, [], "")


def _own(said: Any) -> Asked:
    ok = isinstance(said, dict) and isinstance(said.get("inputs"), dict)
    if not ok or not all(isinstance(n, int) for shape in said["inputs"].values() for n in shape):
        example = '{"inputs": {"image": [1, 3, 224, 224]}, "outputs": ["logits"]}'
        raise Refused("unsupported-input", "edgepack.json in the archive is not understood", fix=example)
    return Asked({str(k): list(v) for k, v in said["inputs"].items()}, list(said.get("outputs") or []), "it")


def _ultralytics(said: dict[str, Any]) -> dict[str, list[int]]:
    size = said.get("imgsz") or []
    if isinstance(size, int):
        size = [size, size]
    return {"images": [1, int(said.get("channels", 3)), *size]} if len(size) == 2 else {}


def _text(archive: zipfile.ZipFile, name: str) -> str:
    found = [i for i in archive.infolist() if i.filename.partition("/")[2] == name and i.file_size < MAX_TEXT]
    return archive.read(found[0]).decode("utf-8", "replace") if found else ""


def _traced(archive: zipfile.ZipFile) -> dict[str, list[int]]:
    found = [i for i in archive.infolist() if i.filename.partition("/")[2] == "traced_inputs.pkl"]
    if not found or found[0].file_size > MAX_TEXT:
        return {}
    try:
        said = _Shapes(io.BytesIO(archive.read(found[0]))).load()
    except Exception:  # noqa: BLE001 - what it says is only a hint, and a hostile one is no hint
        return {}
    forward = said.get("forward") if isinstance(said, dict) else said
    shapes = forward if isinstance(forward, (list, tuple)) else ()
    if not shapes or not all(isinstance(s, _Tensor) for s in shapes):
        return {}
    return {f"#{number}": list(s.shape) for number, s in enumerate(shapes)}


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]


class _Shapes(pickle.Unpickler):
    """Tensors become their shapes; anything else than tensors is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")):
            return lambda _storage, _offset, size, *_rest: _Tensor(tuple(int(n) for n in size))
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return lambda value, _tag: value
        if module == "torch" and name.endswith("Storage"):
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        return "storage"
