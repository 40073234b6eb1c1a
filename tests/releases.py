"""Bundles whose program is a shell script: they honour the program's contract and behave as a test wants."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack.bundle import Bundle
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.tools.qemu import host_arch

APP = "digits"
GATES = {"cosine": 0.9999, "max_abs": 0.001}
SAMPLES = 4
PASS: dict[str, Any] = {
    "samples": SAMPLES,
    "ok": True,
    "outputs": {"logits": {"cosine_min": 0.99999, "max_abs": 1e-6, "mean_abs": 1e-7, "ok": True}},
    "records": {"class": {"agree": SAMPLES, "of": SAMPLES, "ok": True}},
    "gates": GATES,
}

WORKS = "sleep 0.3 2>/dev/null || sleep 1"  # what the program does in each round
DIES = 'echo "out of luck" >&2; exit 3'
HANGS = "while :; do sleep 1; done"

_PROGRAM = """#!/bin/sh
# version {version}
release=$(cd "$(dirname "$0")/.." && pwd -P)
case $1 in
verify)
    {before_report}
    cat "$release/report.json"
    exit {verify_status} ;;
run) data=$3 ;;
*) exit 2 ;;
esac
echo "hello from {version}"
trap 'echo drained; exit 0' TERM
n=0
mkdir -p "$data/inbox/.rejected"
while :; do
    for file in "$data"/inbox/*; do
        [ -f "$file" ] || continue
        n=$((n + 1))
        if grep -q BROKEN "$file"; then
            echo "${{file##*/}}: not a picture" >&2
            mv "$file" "$data/inbox/.rejected/"
            continue
        fi
        printf '{{"file":"%s","class":%d,"version":"%s"}}\\n' \\
            "${{file##*/}}" "$(wc -c <"$file")" {version} >>"$data/results.jsonl"
        rm -f "$file"
    done
    read -r up _ </proc/uptime
    printf '{{"pid":%d,"release":"%s","frames":%d,"errors":0,"fps":%s,"uptime_s":%s}}\\n' \\
        $$ "${{release##*/}}" "$n" {fps} "$up" >"$data/.status" && mv "$data/.status" "$data/status.json"
    {each_round}
done
"""


@dataclass(frozen=True)
class Program:
    """How a release behaves."""

    version: str = "1.0.0"
    report: Mapping[str, Any] | str = field(default_factory=lambda: PASS)
    verify_status: int = 0
    before_report: str = ":"
    each_round: str = WORKS
    fps: float = 0.0
    health: Mapping[str, Any] = field(default_factory=lambda: {"timeout": 6, "min_fps": 0})
    arch: str = field(default_factory=host_arch)
    weights: bytes = bytes(range(256)) * 64
    text: str | None = None  # the whole program, instead of the one here
    hooks: Mapping[str, str] = field(default_factory=dict)  # "before-switch" → a script
    licence: Mapping[str, Any] | None = None  # what its release.json says of it
    encryption: Mapping[str, Any] | None = None  # the same

    def script(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        return _PROGRAM.format(
            version=self.version,
            before_report=self.before_report,
            verify_status=self.verify_status,
            each_round=self.each_round,
            fps=self.fps,
        ).encode()


def npy(descr: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """A ``.npy`` file, format 1.0 (NumPy's NEP 1)."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def bundle(folder: Path, program: Program = Program()) -> Bundle:
    """Write a bundle of ``program`` to ``folder`` and open it."""
    report = program.report if isinstance(program.report, str) else json.dumps(program.report)
    logits = struct.pack(f"<{SAMPLES * 3}f", *[float(n) for n in range(SAMPLES * 3)])
    spec = BundleSpec(
        name=APP,
        version=program.version,
        target="test-board",
        arch=program.arch,
        runtime="ncnn",
        layers={
            "program": {f"bin/{APP}": Content(program.script(), 0o755)},
            "model": {
                "model/model.bin": Content(program.weights),
                "model/model.param": Content(b"7767517\n"),
            },
            "golden": {
                "golden/input.npy": Content(npy("|u1", (SAMPLES, 2, 2), bytes(4 * SAMPLES))),
                "golden/output.logits.npy": Content(npy("<f4", (SAMPLES, 3), logits)),
                "golden/record.class.npy": Content(npy("<i8", (SAMPLES,), bytes(8 * SAMPLES))),
            },
            "config": {
                "report.json": Content(report.encode()),
                **{f"hooks/{name}": Content(text.encode(), 0o755) for name, text in program.hooks.items()},
            },
        },
        release={
            "gates": GATES,
            "health": dict(program.health),
            **({"hooks": dict.fromkeys(program.hooks, 3)} if program.hooks else {}),
            **({"licence": dict(program.licence)} if program.licence else {}),
            **({"encryption": dict(program.encryption)} if program.encryption else {}),
            "source": {"kind": "files", "path": "inbox"},
            "sink": {"kind": "jsonl", "path": "results.jsonl"},
        },
    )
    return write_bundle(spec, folder)
