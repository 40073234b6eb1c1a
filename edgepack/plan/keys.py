"""Steps and their keys: equal keys mean equal results."""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Step
from edgepack.store import digest_of


def make_step(
    snapshot: Snapshot,
    step_id: str,
    stage: str,
    inputs: Mapping[str, str],
    needs: tuple[str, ...] = (),
) -> Step:
    key = digest_of([stage, dict(inputs)])
    cached = key in snapshot.results
    why = "" if cached else why_to_run(inputs, snapshot.previous.get(step_id))
    return Step(step_id, stage, key, inputs, needs, cached, why)


def why_to_run(inputs: Mapping[str, str], before: Mapping[str, str] | None) -> str:
    """Why a step has to run, from what went in the last time."""
    if before is None:
        return "never done before"
    changed = [name for name, value in inputs.items() if name in before and before[name] != value]
    new = [name for name in inputs if name not in before]
    gone = [name for name in before if name not in inputs]
    parts = [
        f"{', '.join(names)} {verb}"
        for names, verb in ((changed, "changed"), (new, "is new"), (gone, "is gone"))
        if names
    ]
    return "; ".join(parts) or "its result is no longer in the cache"
