"""The parameters of a converted model, changed one at a time: which of the changes the golden vectors tell.

A change that no gate tells is one that moves no output by more than the gate allows, on any golden vector.
That it was made is told by digests, in every bundle: those are measured here too.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.bundle import Bundle, BundleError, open_bundle
from edgepack.model.golden import Names
from edgepack.model.parity import judge
from edgepack.oci import blob
from edgepack.tools.runner import command, run

PROGRAM, PARAM, WEIGHTS = "bin/digits", "model/model.param", "model/model.bin"
_PARAMETERS = {"Convolution": (6, 5), "InnerProduct": (2, 1)}  # layer → keys of: how many weights; has a bias
_TAG = 4  # bytes before a layer's weights: 0 for float32 as it is


@dataclass(frozen=True)
class Blob:
    """Neighbouring float32 of one layer: ``at`` is the first one's byte in ``model.bin``."""

    layer: str
    kind: str  # weights, or bias
    at: int
    count: int


@dataclass(frozen=True)
class Change:
    """One parameter, ``at`` a byte of ``model.bin``, that gets another value."""

    blob: Blob
    at: int
    old: float
    new: float


@dataclass(frozen=True)
class Told:
    """What the golden vectors said of a change. error: the largest of any output; limit: what is allowed."""

    change: Change
    refused: bool
    error: float
    limit: float


def layout(param: str, size: int) -> list[Blob]:
    """Where each layer's parameters lie in a ``model.bin`` of ``size`` bytes, by ncnn's ``.param``."""
    found, at = [], 0
    for line in param.splitlines()[2:]:
        kind, name, inputs, outputs, *rest = line.split()
        keys = dict(word.split("=", 1) for word in rest[int(inputs) + int(outputs) :])
        if kind not in _PARAMETERS:
            continue
        weights, bias = (int(keys.get(str(key), 0)) for key in _PARAMETERS[kind])
        found.append(Blob(name, "weights", at + _TAG, weights))
        at += _TAG + 4 * weights
        if bias:
            found.append(Blob(name, "bias", at, int(keys["0"])))
            at += 4 * int(keys["0"])
    assert at == size, f"the layers hold {at} bytes, and model.bin has {size}"
    return found


def _bit(value: float, chance: random.Random) -> float:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return float(struct.unpack("<f", struct.pack("<I", bits ^ 1 << chance.randrange(32)))[0])


KINDS: Mapping[str, Callable[[float, random.Random], float]] = {
    "its sign": lambda value, _: -value,
    "to zero": lambda value, _: 0.0,
    "by 10 %": lambda value, _: value * 1.1,
    "one bit of 32": _bit,
}


def changes(bundle: Bundle, kind: str, count: int, seed: int) -> list[Change]:
    """``count`` changes of different parameters, each as likely as any other; zeros are left out."""
    chance, weights = random.Random(seed), read(bundle, WEIGHTS)
    blobs = layout(read(bundle, PARAM).decode(), len(weights))
    places = [(one, one.at + 4 * n) for one in blobs for n in range(one.count)]
    values = {at: struct.unpack_from("<f", weights, at)[0] for _, at in places}
    picked = chance.sample([place for place in places if values[place[1]]], count)
    return [Change(one, at, values[at], KINDS[kind](values[at], chance)) for one, at in picked]


def made(change: Change, weights: bytes) -> bytes:
    """``model.bin`` with the change."""
    data = bytearray(weights)
    struct.pack_into("<f", data, change.at, change.new)
    return bytes(data)


def read(bundle: Bundle, path: str) -> bytes:
    with bundle.open(bundle.file(path)) as stream:
        return stream.read()


def unpack(bundle: Bundle, folder: Path) -> Path:
    """The bundle's files as they lie on a box."""
    for file in bundle.files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(read(bundle, file.path))
        place.chmod(file.mode)
    return folder


def told(bundle: Bundle, release: Path, these: list[Change]) -> list[Told]:
    """Each change, made to a release whose program runs here, held to the golden vectors by its gates."""
    weights, expected, gates = read(bundle, WEIGHTS), bundle.release["golden"], bundle.release["gates"]
    names = Names(expected["samples"], tuple(expected["outputs"]), tuple(expected["records"]))
    found = []
    for change in these:
        (release / WEIGHTS).write_bytes(made(change, weights))
        report = json.loads(run(command(release / PROGRAM, "verify")).stdout)
        (output,) = report["outputs"].values()
        # A program writes null for what is no number.
        error = float("inf") if output["max_abs"] is None else output["max_abs"]
        limit = gates["max_abs"] * max(1.0, output["max_reference"])
        found.append(Told(change, not judge(report, names, gates).ok, error, limit))
    (release / WEIGHTS).write_bytes(weights)
    return found


def told_by_digests(bundle: Bundle, these: list[Change]) -> int:
    """How many of the changes are found when they are made to the bundle's own layer, which is put back."""
    file = bundle.file(WEIGHTS)
    layer = blob(bundle.folder, next(la.digest for la in bundle.layers if la.kind == file.layer))
    whole, found = layer.read_bytes(), 0
    for change in these:
        data = bytearray(whole)
        struct.pack_into("<f", data, file.offset + change.at, change.new)
        layer.write_bytes(data)
        try:
            open_bundle(bundle.folder, verify=True)
        except BundleError:
            found += 1
    layer.write_bytes(whole)
    open_bundle(bundle.folder, verify=True)
    return found
