"""ONNX → TVM's relax → machine code → a shared library that TVM's virtual machine loads."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import tvm
from edgepack_recipe import Refused, step
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

FILE = "model.so"


@dataclass(frozen=True)
class Machine:
    """What code is made for. elf: e_machine in elf.h, to see that the linker made it."""

    triple: str
    cpu: str
    elf: int
    more: dict[str, Any]


# The least processor of each architecture that runs a Linux of today: `options: {mcpu: …}` may ask for more.
RV64GC = {"mattr": ["+m", "+a", "+f", "+d", "+c"], "mabi": "lp64d"}
ARMV7 = {"mattr": ["+vfp3", "+neon"], "mfloat-abi": "hard"}
MACHINES = {
    "x86_64": Machine("x86_64-linux-gnu", "x86-64", 62, {}),
    "aarch64": Machine("aarch64-linux-gnu", "generic", 183, {"mattr": ["+neon"]}),
    "armhf": Machine("armv7a-linux-gnueabihf", "generic", 40, ARMV7),
    "riscv64": Machine("riscv64-linux-gnu", "generic-rv64", 243, RV64GC),
}


def machine_for(options: dict[str, Any], target: str) -> str:
    """The architecture that was asked for, by ``options.arch`` or by the target's name. Raises Refused."""
    asked = options.get("arch") or (target if target in MACHINES else None)
    if asked not in MACHINES:
        what = f"TVM writes machine code, and {target or 'the target'} does not say for which processor"
        fix = "set the option arch to one of: " + ", ".join(MACHINES)
        raise Refused("unsupported-input", what, fix=fix)
    return str(asked)


def library(model: Path, precision: str, arch: str, cpu: str | None, work: Path) -> tuple[Path, list[str]]:
    """The linked file in ``work``, and the operators that it is made of. Raises Refused."""
    machine = MACHINES[arch]
    work.mkdir(parents=True, exist_ok=True)
    module = _imported(model)
    if precision == "fp16":
        module = relax.transform.ToMixedPrecision(out_dtype="float32")(module)
        module = relax.transform.FoldConstant()(module)
    operators = _operators(module)
    about = {"kind": "llvm", "mtriple": machine.triple, "mcpu": cpu or machine.cpu, **machine.more}
    try:
        tvm.compile(module, tvm.target.Target(about)).export_library(str(work / "model.tar"))
    except Exception as bad:  # noqa: BLE001 - TVM has an error class for each kind, and all mean this
        raise Refused("converter-failed", "TVM cannot compile the model", detail=_end(bad)) from None
    return _linked(work, machine), operators


def _imported(model: Path) -> Any:
    graph = onnx.load(str(model))
    try:
        return from_onnx(graph)
    except Exception as bad:  # noqa: BLE001 - tvm.error.OpNotImplemented, and whatever a converter runs into
        raise _unread(graph.graph, bad) from None


def _unread(graph: onnx.GraphProto, bad: Exception) -> Refused:
    words = _end(bad)
    nodes: dict[str, list[str]] = {}
    for node in graph.node:
        nodes.setdefault(node.op_type, []).append(node.name or node.output[0])
    named = [
        f"{op} (node {', '.join(n[:5])})"
        for op, n in nodes.items()
        if f" {op}" in words or f"'{op}'" in words
    ]
    if named:
        what = f"TVM has nothing for {'; '.join(named)}, as the model uses it"
        return Refused("unsupported-operator", what, detail=words)
    return Refused("converter-failed", "TVM cannot read the model", detail=words)


def _operators(module: Any) -> list[str]:
    found = set()

    def visit(expression: Any) -> None:
        if isinstance(expression, relax.Call) and isinstance(expression.op, tvm.ir.Op):
            found.add(expression.op.name)

    for _, function in module.functions_items():
        if isinstance(function, relax.Function):  # the reader writes some operators (Clip) as loops at once
            relax.analysis.post_order_visit(function, visit)
    return sorted(found)


def _linked(work: Path, machine: Machine) -> Path:
    """Undefined symbols are TVM's and the C library's, which the process that loads it has."""
    with tarfile.open(work / "model.tar") as packed:
        objects = {m.name: packed.extractfile(m) for m in packed.getmembers() if m.name.endswith(".o")}
        for name, data in objects.items():
            (work / name).write_bytes((data or io.BytesIO()).read())
    made = work / FILE
    words = ["-shared", "--build-id=none", "--strip-debug", "-soname", FILE, "-o", made, *sorted(objects)]
    done = step(sys.executable, "-m", "ziglang", "ld.lld", *words, cwd=work)
    if not made.is_file():
        raise Refused(
            "converter-failed", f"{done.ended('the linker')} and wrote no library", detail=done.noise[-1500:]
        )
    with made.open("rb") as library_file:
        head = library_file.read(20)
    if head[:4] != b"\x7fELF" or struct.unpack("<H", head[18:20])[0] != machine.elf:
        raise Refused("converter-failed", "the linker wrote code for another processor")
    return made


def _end(bad: Exception) -> str:
    """TVM's errors begin with a stack of its own."""
    return f"{type(bad).__name__}: {bad}"[-1500:]
