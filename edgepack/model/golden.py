"""Golden vectors: recorded inputs and the trained model's own outputs, as an ``.npz`` file.

An ``.npz`` is a zip of ``.npy`` files, so nothing but the standard library is needed to unpack it and
to read shapes: ``input`` uint8 (N, H, W[, C]) for pictures, float32 (N, samples) or (N, channels, samples)
for sound; ``output.<tensor>`` float32 (N, …); ``record.<field>`` int64 or float32 (N,). The format of a
header: NumPy's NEP 1.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.model.errors import GoldenError

MAX_BYTES = 256 << 20
PART = "vectors.npz"  # what the stage `feed` leaves of one part of a split model: edgepack/convert/parts.py
_MEMBER = re.compile(r"(input|output\.[A-Za-z0-9_.:/-]{1,128}|record\.[A-Za-z0-9_]{1,64})\.npy")
_SOUND = "<f4"
_DTYPES = {"input": {"|u1", _SOUND}, "output": {"<f4"}, "record": {"<i8", "<f4"}}


@dataclass(frozen=True)
class Names:
    """What the vectors speak of. ``samples`` is N."""

    samples: int
    outputs: tuple[str, ...]
    records: tuple[str, ...]


def unpack(file: Path, folder: Path) -> None:
    """Write the members as ``folder/<name>.npy``. Raises GoldenError for anything but golden vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in members(file).items():
        (folder / name).write_bytes(data)


def names(file: Path) -> Names:
    """Which outputs and record fields the vectors hold, and for how many samples."""
    found = members(file)
    samples = _shape(file, "input.npy", found["input.npy"])[0]
    kinds: dict[str, list[str]] = {"output": [], "record": []}
    for name in sorted(found):
        kind, _, rest = name.removesuffix(".npy").partition(".")
        if kind in kinds:
            kinds[kind].append(rest)
    return Names(samples, tuple(kinds["output"]), tuple(kinds["record"]))


def check_inputs(file: Path, sound: bool | None) -> None:
    """Hold the inputs to what `pre` takes: sound, or pictures. None: the user's own code, which takes either.

    Raises GoldenError where they are of the other kind.
    """
    if sound is None or is_sound(file) is sound:
        return
    if sound:
        why, fix = "its `input` is uint8, pictures, and `logmel` in `pre` takes sound", _RECORD_SOUND
    else:
        why, fix = "its `input` is float32, sound, and `pre` takes pictures", "record raw pictures, uint8"
    raise _bad(file, why, fix)


def is_sound(file: Path) -> bool:
    """Whether the inputs are sound. Raises GoldenError for anything but golden vectors."""
    return _header(file, "input.npy", members(file)["input.npy"]).descr == _SOUND


def check(file: Path, outputs: Mapping[str, Sequence[int]]) -> None:
    """Hold the vectors to a model. outputs: tensor → its shape, the batch of 1 included.

    Raises GoldenError where the vectors speak of other outputs, or of outputs of another size.
    """
    spoken = {
        name.removeprefix("output.").removesuffix(".npy"): _shape(file, name, data)[1:]
        for name, data in members(file).items()
        if name.startswith("output.")
    }
    fits = _fitting(spoken, outputs)
    for tensor in spoken.keys() - outputs.keys():
        near = difflib.get_close_matches(tensor, outputs, 1, 0.5)
        hint = f"did you mean `output.{near[0]}`?" if near else f"it has: {', '.join(outputs)}"
        why = f"it holds `output.{tensor}`, and the model has no output `{tensor}`; {hint}"
        if fits:
            what = f"{file.name} has other names for the outputs than the model"
            raise _bad(file, f"{why}; {_told(fits)}", _RENAME, what)
        raise _bad(file, why, _NAMES)
    for tensor, shape in outputs.items():
        if tensor not in spoken:
            raise _bad(file, f"it lacks `output.{tensor}`, which the model computes", _NAMES)
        if math.prod(spoken[tensor]) != math.prod(shape):
            if fits:
                what = f"{file.name} has the outputs in another order than the model"
                raise _bad(file, _told(fits), _RENAME, what)
            told = f"{list(spoken[tensor])} a sample, and the model gives {list(shape)}"
            raise _bad(file, f"`output.{tensor}` has the shape {told}", "record it again with this model")


def _fitting(spoken: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Recorded output → the model's that it fits by size, its own name first; empty where one fits none."""
    free = {name: math.prod(shape) for name, shape in outputs.items()}
    own = [name for name, shape in spoken.items() if free.get(name) == math.prod(shape)]
    fits = {name: name for name in own}
    for name in own:
        del free[name]
    for name in sorted(spoken.keys() - fits.keys()):
        size = math.prod(spoken[name])
        found = next((other for other, there in free.items() if there == size), None)
        if found is None:
            return {}
        fits[name] = found
        del free[found]
    return {} if free else fits


def _told(fits: Mapping[str, str]) -> str:
    moved = [f"`output.{name}` fits `{to}`" for name, to in sorted(fits.items()) if name != to]
    return f"by their sizes {', '.join(moved)}"


def members(file: Path) -> dict[str, bytes]:
    """The ``.npy`` files inside, by name, each checked to be what the contract says."""
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if sum(info.file_size for info in infos) > MAX_BYTES:
                raise _bad(file, f"more than {MAX_BYTES >> 20} MiB", "fewer vectors prove as much")
            found = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise _bad(
            file, f"it is not a whole .npz file: {error}", "write it with numpy.savez, or copy it again"
        ) from None
    for name in found:
        if not _MEMBER.fullmatch(name) or "/" in name:
            raise _bad(file, f"`{name}` is no name for a golden vector", _NAMES)
    if "input.npy" in found:
        _check_input(file, _header(file, "input.npy", found["input.npy"]))
    if "input.npy" not in found or not any(name.startswith("output.") for name in found):
        raise _bad(file, "it must hold `input` and at least one `output.<tensor>`", _NAMES)
    counts = {name: _shape(file, name, data)[0] for name, data in found.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise _bad(file, f"all must have the same number of samples, at least one ({told})", "")
    return found


_RECORD_SOUND = "record the sound itself: float32 (N, samples) or (N, channels, samples), -1 to 1"


def _check_input(file: Path, header: _Header) -> None:
    """Pictures, or sound: each has its type and its axes."""
    axes = len(header.shape)
    if header.descr == _SOUND and (axes not in (2, 3) or (axes == 3 and header.shape[1] > 64)):
        why = f"`input` is float32, sound, of the shape {list(header.shape)}"
        raise _bad(file, why, f"{_RECORD_SOUND}; raw pictures are uint8")
    if header.descr != _SOUND and axes not in (3, 4):
        why = f"`input` is uint8, pictures, of the shape {list(header.shape)}"
        raise _bad(file, why, f"raw pictures are (N, H, W) or (N, H, W, C). {_RECORD_SOUND}")


_NAMES = "names are `input`, `output.<ONNX tensor>` and `record.<field>` (docs/design/whole-way.md)"
_RENAME = (
    "name each array after the model's output that it was computed by: run the model with the outputs asked "
    "for by name, not by place; after a new export, record again"
)


@dataclass(frozen=True)
class _Header:
    descr: str
    shape: tuple[int, ...]


def _shape(file: Path, name: str, data: bytes) -> tuple[int, ...]:
    return _header(file, name, data).shape


def _header(file: Path, name: str, data: bytes) -> _Header:
    """What a ``.npy`` header says, whose dtype must be the contract's and whose bytes must be there."""
    try:
        if data[:6] != b"\x93NUMPY":
            raise ValueError("no NumPy header")
        size, start = struct.unpack("<H", data[8:10])[0], 10
        if data[6] > 1:
            size, start = struct.unpack("<I", data[8:12])[0], 12
        header = ast.literal_eval(data[start : start + size].decode("latin-1").strip())
        descr, order, shape = header["descr"], header["fortran_order"], header["shape"]
        body = len(data) - start - size
    except (ValueError, KeyError, IndexError, SyntaxError, struct.error, TypeError) as error:
        raise _bad(file, f"`{name}` is not a NumPy array: {error}", "") from None
    kind = name.partition(".")[0]
    if descr not in _DTYPES[kind]:
        wanted = " or ".join(sorted(_DTYPES[kind]))
        raise _bad(file, f"`{name}` has the type {descr}; it must be {wanted}", "use .astype(…)")
    count = int(descr[2:])
    for axis in shape:
        count *= int(axis)
    if order or not shape or count != body:
        raise _bad(file, f"`{name}` must be whole, in C order, with samples as its first axis", "")
    return _Header(descr, tuple(int(axis) for axis in shape))


def _bad(file: Path, why: str, fix: str, what: str = "") -> GoldenError:
    what = what or f"{file.name} does not hold golden vectors"
    return GoldenError(what, where=str(file), why=why, fix=fix)
