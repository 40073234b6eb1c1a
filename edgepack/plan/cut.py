"""Where a model is split: what crosses the cut, and what the whole of it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.plan.step import Work


@dataclass(frozen=True)
class Cut:
    """crossing: tensors from the first part to the second; outputs: the whole model's, in its order, with
    their shapes and the batch of 1."""

    crossing: tuple[str, ...]
    outputs: Mapping[str, tuple[int, ...]]


def cut_of(work: Work) -> Cut | None:
    """None where this target gets the whole model."""
    if not work.choice.part:
        return None
    changes: Sequence[Mapping[str, Any]] = work.result("prepare").report["changes"]
    change = next(change for change in changes if change["did"] == "split")
    outputs = {str(row["tensor"]): tuple(int(n) for n in row["shape"]) for row in change["outputs"]}
    return Cut(tuple(map(str, change["crossing"])), outputs)


def slot_of(work: Work, part: str) -> str:
    """The slot of this target's plan that leaves that part of the trained model."""
    return "prepare" if work.choice.part == part else f"prepare:{part}"
