"""Judges what a program said of its golden vectors: the numbers, never its exit code or its own ``ok``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgepack.model.golden import Names


@dataclass(frozen=True)
class Verdict:
    """Whether the outputs are the trained model's, in one line, in a table, and why not.

    only_records: the outputs are, and what is made of them is not.
    """

    ok: bool
    summary: str
    table: str
    why: str
    only_records: bool = False


def judge(report: Mapping[str, Any], expected: Names, gates: Mapping[str, Any] | None = None) -> Verdict:
    """Hold a ``verify`` report to its gates.

    expected: what the vectors speak of; an output or a field that the report leaves out fails.
    gates: ``cosine``, ``max_abs`` and ``records`` (all samples, where an older bundle has none); the report's
    own where not given.
    """
    limits = gates if gates is not None else _mapping(report.get("gates"))
    least, most = _number(limits.get("cosine")), _number(limits.get("max_abs"))
    share = _number(limits.get("records"), 1.0)
    # 1e-9: a part such as 0.9 has no exact float.
    enough = math.ceil(share * expected.samples - 1e-9) if 0 <= share <= 1 else expected.samples
    rows, faults, worst = [], [], 0.0
    for name in expected.outputs:
        row = _mapping(_mapping(report.get("outputs")).get(name))
        cosine, error = _number(row.get("cosine_min")), _number(row.get("max_abs"))
        limit = most * max(1.0, _number(row.get("max_reference"), 1.0))
        good = cosine >= least and error <= limit
        worst = max(worst, error)
        rows.append(f"{name:<16} cosine {cosine:.7f} (≥ {least})   largest error {error:.3g} (≤ {limit:.3g})")
        if not good or not row.get("ok"):
            faults.append(f"output `{name}` is off: cosine {cosine:.5f}, largest error {error:.3g}")
    outputs_off = len(faults)
    for name in expected.records:
        row = _mapping(_mapping(report.get("records")).get(name))
        agree, of = row.get("agree"), row.get("of")
        at_least = f" (≥ {enough})" if enough < expected.samples else ""
        rows.append(f"{name:<16} {agree} of {of} samples agree{at_least}")
        counted = agree if isinstance(agree, int) else 0
        if not enough <= counted <= expected.samples or of != expected.samples or not row.get("ok"):
            faults.append(f"`{name}` differs in {expected.samples - counted} samples")
    only_records = bool(faults) and not outputs_off
    if report.get("samples") != expected.samples:
        only_records = False
        faults.append(f"it ran {report.get('samples')} of {expected.samples} samples")
    if not report.get("ok") and not faults:
        faults.append("the program itself says that a gate failed")
    ok = not faults
    summary = f"{expected.samples} golden vectors, largest error {worst:.2g}"
    return Verdict(ok, summary, "\n".join(rows), "; ".join(faults), only_records)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object, default: float = math.nan) -> float:
    return float(value) if isinstance(value, (int, float)) else default
