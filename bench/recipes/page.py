"""docs/proof/recipes.md, from what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.recipes.record import FILE, Record
from bench.recipes.rows import Row
from edgepack.convert.state import lacks

PAGE = FILE.with_suffix(".md")
BY_CONTRACT, NOT_YET = "by contract only", "not measured yet"
HEAD = """# Every chip converts, and proves it

Written by `make recipes` from recipes.json beside it, where each case is kept as it was measured.
Parity is the least cosine of all outputs and samples against ONNX Runtime in fp32 on the trained network.
Seconds and memory are those of the converter: processor time of all cores of an x86-64 machine, and the
most resident memory of one process. Not one of these ran on a chip: where a simulator or the tool's own
runtime on this host computed it, it is named; all else is *by contract only*.

{counts} The last column is the commit
that a case was measured at; † marks those whose recipe, kit or network is another now.

| recipe | precision | chip | targets | network | state here | cosine | kB | s | MB | at |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def page(every: Sequence[Row], known: Mapping[str, Record], digest: Callable[[Row], str]) -> str:
    """The table, as Markdown. digest: what a row would be measured with now."""
    lines, measured, older, missing = [], 0, 0, 0
    for row in every:
        record = known.get(row.key)
        is_old = record is not None and record.of != digest(row)
        lines.append(_line(row, record, is_old))
        measured, older = measured + bool(record), older + is_old
        missing += record is None and not lacks(row.recipe)
    contract = len(every) - measured - missing
    counts = (
        f"{len(every)} cases: {measured} measured, {contract} that need a vendor's SDK,"
        f" {missing} not measured yet.\n"
        f"{older} of the measured are of an older recipe or kit than now."
    )
    return HEAD.format(counts=counts) + "".join(f"{line}\n" for line in lines)


def _line(row: Row, record: Record | None, is_old: bool) -> str:
    chip, names = row.case.chip or "", ", ".join(row.targets)
    cells = [row.recipe.id, row.case.precision, chip, names, row.network, _state(row, record)]
    cells += _numbers(record)
    cells.append(f"{record.commit}{'†' if is_old else ''}" if record else "")
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def _state(row: Row, record: Record | None) -> str:
    if record is None:
        lack = lacks(row.recipe)
        return f"{BY_CONTRACT}: needs {lack}" if lack else NOT_YET
    tells_why = record.why and record.state in {BY_CONTRACT, "failed"}
    return f"{record.state}: {record.why}" if tells_why else record.state


def _numbers(record: Record | None) -> list[str]:
    if record is None or not record.bytes:
        return [""] * 4
    cosine = f"{record.cosine:.6f}" if record.cosine is not None else ""
    return [cosine, f"{record.bytes / 1e3:,.0f}", f"{record.seconds:.1f}", str(record.peak_mb)]
