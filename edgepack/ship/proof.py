"""The golden vectors through the shipped program, on the box, judged here.

The program's exit code and its own ``ok`` are not believed: the numbers it prints are held to the
bundle's gates, with the bundle's own vectors saying how many samples and outputs there must be.
"""

from __future__ import annotations

import ast
import json
import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.bundle import Bundle, BundleFile
from edgepack.model.golden import Names
from edgepack.model.parity import judge
from edgepack.ship import machine, paused
from edgepack.ship.errors import NotProvenError

GOLDEN = "golden/"
LIMIT_S = 600  # the program may take this long over its vectors

_ENDS = {
    124: f"it was not done after {LIMIT_S} s",
    126: "the box cannot start it: it is built for another machine, or its folder does not allow programs",
    127: "the box cannot start it: a part it needs is not there",
    132: "it used an instruction that the box's processor does not have (SIGILL)",
    134: "it gave up (SIGABRT)",
    135: "SIGBUS",
    137: "it was killed (SIGKILL): most likely the box ran out of memory",
    139: "it crashed (SIGSEGV)",
}
_FOREIGN = "Invalid ELF image for this architecture"  # qemu-user's words, with which it ends with 255
_REBUILD = "build it for the box's own target: edgepack build --for NODE, then deploy again"
_OTHER_MACHINE = "the box's emulator cannot start it: it is built for another machine"


@dataclass(frozen=True)
class Vectors:
    """What the bundle's golden vectors demand of a report."""

    names: Names
    largest: Mapping[str, float]  # output → max |reference|
    foreign: str = ""  # why no box of the bundle's architecture can start its program, where that is so


@dataclass(frozen=True)
class Proof:
    """A report that passed. ``summary`` is one line for a person."""

    report: Mapping[str, Any]
    summary: str
    paused_s: int = 0  # for so long what ran before was paused for it


def vectors(bundle: Bundle) -> Vectors | None:
    """The demands of the vectors in a bundle, or None where it has none."""
    found: dict[str, list[str]] = {"output": [], "record": []}
    largest, samples = {}, 0
    for file in bundle.files:
        if file.layer != "golden":
            continue
        kind, _, name = file.path.removeprefix(GOLDEN).removesuffix(".npy").partition(".")
        if kind == "input":
            samples = _header(bundle, file)[1][0]
        elif kind in found:
            found[kind].append(name)
        if kind == "output":
            largest[name] = _largest(bundle, file)
    if not samples:
        return None
    return Vectors(
        Names(samples, tuple(found["output"]), tuple(found["record"])), largest, machine.foreign(bundle)
    )


def held_to(lines: Sequence[str], demands: Vectors, gates: Mapping[str, Any], where: str) -> Proof:
    """The proof in what the box's script said of a run of ``verify``. Raises NotProvenError."""
    report = _report(lines, where, demands.foreign)
    outputs = report.get("outputs")
    for name, largest in demands.largest.items():
        if isinstance(outputs, dict) and isinstance(outputs.get(name), dict):
            outputs[name]["max_reference"] = largest  # ours, not the program's word for it
    verdict = judge(report, demands.names, gates)
    if not verdict.ok:
        raise NotProvenError(
            "the program does not compute on the box what was trained",
            where=where,
            why=verdict.why,
            fix="compare with the build's own proof (edgepack build); the numbers of each output are below",
            detail=verdict.table,
        )
    return Proof(report, verdict.summary, paused.seconds(lines))


def prove_again(box: Box, token: str, app: str, release: str) -> Proof:
    """The same for a release that is on the box already, whose bundle is not here.

    Its own report must hold to its own gates; its files were compared with their digests before.
    """
    lines = paused.verify(box, token, app, release, LIMIT_S)
    report = _report(lines, box.endpoint.where)
    outputs, records, samples = report.get("outputs"), report.get("records"), report.get("samples")
    names = Names(
        samples if isinstance(samples, int) else 0,
        tuple(outputs) if isinstance(outputs, dict) else (),
        tuple(records) if isinstance(records, dict) else (),
    )
    verdict = judge(report, names)
    if not verdict.ok or not names.samples or not names.outputs:
        raise NotProvenError(
            "the old release does not compute on the box what was trained any more",
            where=box.endpoint.where,
            why=verdict.why or "it reports no golden vectors",
            fix="deploy a bundle instead: edgepack deploy",
            detail=verdict.table,
        )
    return Proof(report, verdict.summary, paused.seconds(lines))


def _report(lines: Sequence[str], where: str, foreign: str = "") -> dict[str, Any]:
    """What the program printed. Raises NotProvenError where that is not one JSON object."""
    status = next((line.removeprefix("exit ") for line in lines if line.startswith("exit ")), "")
    said = "\n".join(line.removeprefix("! ") for line in lines if line.startswith("! "))
    text = "\n".join(line[1:] for line in lines if line.startswith("="))
    if not status.isdigit():
        raise BoxError("the box did not say how the program ended", "verify", where=where)
    try:
        report = json.loads(text)
        if not isinstance(report, dict):
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as error:
        ended = foreign or _ended(status, said)
        raise NotProvenError(
            "the program did not report on its golden vectors on the box",
            where=where,
            why=f"{ended}; what it printed is not its report: {error}" if status == "0" else ended,
            fix=_REBUILD
            if foreign or _FOREIGN in said
            else "look at its own words below; try the bundle in a sandbox: edgepack sandbox up",
            detail=said or text[:2000],
        ) from error
    if report.get("error"):
        raise NotProvenError(
            "the program could not finish its golden vectors on the box",
            where=where,
            why=str(report["error"])[:500],
            fix="look at its own words below; try the bundle in a sandbox: edgepack sandbox up",
            detail=said,
        )
    if status != "0":
        report["ok"] = False
    return report


def _ended(status: str, said: str) -> str:
    """In words, how a program ended that reported nothing."""
    if _FOREIGN in said:
        return _OTHER_MACHINE
    return _ENDS.get(int(status), f"it ended with {status}")


def _header(bundle: Bundle, file: BundleFile) -> tuple[str, tuple[int, ...], int]:
    """dtype, shape and where the numbers begin, of a ``.npy`` file (NumPy's NEP 1)."""
    try:
        with bundle.open(file) as stream:
            start = stream.read(min(file.size, 12))
            wide = start[6] > 1
            size = struct.unpack("<I" if wide else "<H", start[8 : 12 if wide else 10])[0]
            at = 12 if wide else 10
            head = (start + stream.read(size))[at : at + size]
        header = ast.literal_eval(head.decode("latin-1").strip())
        shape = tuple(int(axis) for axis in header["shape"])
        return str(header["descr"]), (shape or (0,)), at + size
    except (ValueError, KeyError, IndexError, SyntaxError, TypeError, struct.error) as error:
        raise NotProvenError(
            "the bundle's golden vectors cannot be read",
            where=f"{bundle.folder}: {file.path}",
            why=str(error),
        ) from error


def _largest(bundle: Bundle, file: BundleFile) -> float:
    _, _, at = _header(bundle, file)
    with bundle.open(file) as stream:
        stream.read(at)
        numbers = array("f")
        numbers.frombytes(stream.read()[: (file.size - at) // 4 * 4])
    return max(map(abs, numbers), default=0.0)
