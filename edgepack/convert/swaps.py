"""The stages on either side of the model, each held to what was recorded: shipped `pre`, shipped `post`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.convert.evaluate import Judge
from edgepack.convert.evaluation import distances, told
from edgepack.errors import EdgepackError
from edgepack.model import arrays
from edgepack.model.arrays import Rows
from edgepack.plan.gates import gates_for


@dataclass(frozen=True)
class Swapped:
    """One stage beside its reference. ok: None where there was nothing to hold it to."""

    ok: bool | None
    compared: str  # what beside what, for people
    why: str = ""
    rows: Mapping[str, Mapping[str, Any]] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {"ok": self.ok, "compared": self.compared, "why": self.why, "rows": dict(self.rows or {})}


@dataclass(frozen=True)
class Recorded:
    """The golden vectors: as they are, and their outputs by the model's own names."""

    file: Path
    outputs: Path


def recorded(judge: Judge) -> Recorded | None:
    """None where there are none. They speak of the whole model, also where it is split."""
    name = judge.work.project.manifest.model.golden
    if name is None:
        return None
    file = judge.work.project.file(name)
    return Recorded(file, arrays.renamed(file, "output.", judge.new() / "golden.npz"))


def pre_swap(judge: Judge, golden: Recorded) -> Swapped:
    """The trained model on what the shipped `pre` made, beside the golden outputs.

    Both are in fp32, so what is between them is `pre` alone: it is held to the gates of half precision,
    which leave room for another library's rounding; the manifest's own gates win. The first part of a split
    model is followed by the second: what comes out is what was recorded only if both together are the whole.
    """
    compared = "the trained model on inputs from the shipped `pre`, beside the golden outputs"
    if judge.work.choice.part == "after":
        return Swapped(None, compared, "`pre` runs where the first part does, and is held to them there")
    if judge.work.choice.part == "before":
        compared = "both trained parts on inputs from the shipped `pre`, beside the golden outputs"
    gates = gates_for(judge.work.project.manifest.parity, "fp16", judge.reference)
    given = judge.run_whole(judge.fed / "golden.npz")
    rows = distances(judge.near(given, golden.outputs), gates)
    why = "; ".join(told(row) for row in rows if not row.ok)
    return Swapped(not why, compared, why, {row.tensor: row.as_dict() for row in rows})


def post_swap(judge: Judge, golden: Recorded) -> Swapped:
    """The shipped `post` on the golden outputs, beside the golden records."""
    compared = "the shipped `post` on the golden outputs, beside the golden records"
    if judge.work.choice.part == "before":
        return Swapped(None, compared, "`post` runs where the second part does, and is held to them there")
    wanted = {
        name.removeprefix("record."): rows
        for name, rows in arrays.load(golden.file).items()
        if name.startswith("record.")
    }
    if not wanted:
        return Swapped(None, compared, "the golden vectors hold no records")
    try:
        said = judge.records(golden.outputs)
    except EdgepackError as error:
        return Swapped(False, compared, " ".join(part for part in (error.what, error.why) if part))
    rows = {field: _agreement(field, said, values) for field, values in wanted.items()}
    faults = [
        f"`{n}` differs in {r['of'] - r['agree']} of {r['of']} samples"
        for n, r in rows.items()
        if not r["ok"]
    ]
    return Swapped(not faults, compared, "; ".join(faults), rows)


def agreeing(said: Sequence[Mapping[str, Any]], golden: Recorded) -> float:
    """The part of all fields and samples that are as recorded, 0..1."""
    fields = {
        n.removeprefix("record."): r for n, r in arrays.load(golden.file).items() if n.startswith("record.")
    }
    rows = [_agreement(field, said, values) for field, values in fields.items()]
    agree, of = (sum(int(row[name]) for row in rows) for name in ("agree", "of"))
    return agree / max(of, 1)


def _agreement(field: str, said: Sequence[Mapping[str, Any]], values: Rows) -> dict[str, Any]:
    wanted = values.numbers()
    whole = values.descr == "<i8"
    pairs = zip((record.get(field) for record in said), wanted, strict=True)
    agree = sum(_same(given, expected, whole) for given, expected in pairs)
    return {"agree": agree, "of": len(wanted), "ok": agree == len(wanted)}


def _same(given: object, expected: float, whole: bool) -> bool:
    """As the program's own `verify` has it: whole numbers are the same, others to a thousandth."""
    if not isinstance(given, (int, float)):
        return False
    return given == expected if whole else abs(given - expected) <= 1e-3 * max(1.0, abs(expected))
