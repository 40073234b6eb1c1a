"""What the target's last conversion was asked for, so that it can be made again with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgepack.convert.evaluate import Judge
from edgepack.convert.recipe import Request
from edgepack.plan.proof_steps import hop_precision


def request(judge: Judge, report: Mapping[str, Any]) -> Request:
    """``convert``'s own step has it from the same places. report: what that conversion said."""
    work, recipe = judge.work, judge.recipe
    chip, asked = work.choice.target.chip, work.choice.options.quantisation
    precision = hop_precision(work.choice, recipe.precisions_for(chip))
    declared = recipe.precision(precision, chip)
    calibration = judge.calibration if declared and declared.calibration else None
    arch = {"arch": work.choice.target.arch} if recipe.about.per_arch else {}
    given = asked.model_dump(include={"scheme", "granularity", "method"}, exclude_none=True)
    return Request(
        model=judge.adapted,
        precision=precision,
        out=judge.new(),
        chip=chip,
        target=work.choice.target.id,
        options={**arch, **work.choice.options.options},
        calibration=calibration,
        quantisation=given if calibration else {},
        keep=tuple((report.get("search") or {}).get("kept") or asked.keep),
    )
