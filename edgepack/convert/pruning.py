"""What pruning alone took: the pruned model, not yet converted, beside the trained one; and what the
converter made of it, beside the pruned one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgepack.convert.diagnose import Candidate, Cause
from edgepack.convert.evaluate import Judge
from edgepack.convert.evaluation import Distance, distances, told
from edgepack.plan.gates import gates_for


@dataclass(frozen=True)
class Pruned:
    """share: of the weights that are 0; gzip: bytes before and after; cosine: what it has left, the least.

    converted: the converted model beside the pruned one, by the gates that there are without pruning.
    metric: of the trained and of the pruned model, where the manifest asks for one.
    """

    share: float
    gzip: tuple[int, int]
    cosine: float
    converted: tuple[Distance, ...]
    metric: tuple[float, float] | None

    @property
    def ok(self) -> bool:
        """Whether the converter made of the pruned model what it is."""
        return all(row.ok for row in self.converted)

    @property
    def why(self) -> str:
        """What the converter did to it; empty where nothing."""
        off = "; ".join(told(row) for row in self.converted if not row.ok)
        return f"beside the pruned model {off}" if off else ""

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        least = min((row.cosine for row in self.converted), default=None)
        return {
            "share": self.share,
            "gzip": list(self.gzip),
            "cosine": self.cosine,
            "converted": least,
            "metric": list(self.metric) if self.metric else None,
        }


def look(judge: Judge, candidate: Candidate) -> Pruned | None:
    """None where nothing is pruned."""
    manifest, choice = judge.work.project.manifest, judge.work.choice
    if manifest.model.prune is None or "adapt" not in judge.work.chain:
        return None
    change = _change(judge)
    pruned = judge.run_adapted(judge.inputs)
    strict = gates_for(choice.options.parity or manifest.parity, choice.precision, choice.recipe)
    alone = distances(judge.near(pruned, judge.wanted), strict)
    given = judge.run_converted(candidate.folder, candidate.report, judge.inputs)
    return Pruned(
        share=change["zeros"] / change["weights"],
        gzip=(change["gzip"][0], change["gzip"][1]),
        cosine=min(row.cosine for row in alone),
        converted=distances(judge.near(given, pruned), strict),
        metric=judge.adapted_score(),
    )


def cause(pruned: Pruned | None, judge: Judge) -> Cause | None:
    """The pruning itself, where the converter did nothing wrong."""
    if pruned is None or not pruned.ok:
        return None
    model = judge.work.project.manifest.model
    words = f"it is the pruning: with {pruned.share:.0%} of the weights at zero the model has cosine "
    words += f"{pruned.cosine:.5f} before it is converted"
    if pruned.metric:
        words += f", and the task {pruned.metric[1]:.4f} in place of {pruned.metric[0]:.4f}"
    fix = "prune less (model.prune.magnitude), or train on with the zeros held"
    if model.accuracy is None:
        fix += "; with model.accuracy it is max_drop that decides, and not the distance"
    least = min(row.cosine for row in pruned.converted)
    return Cause("pruning", words, fix, f"the converted model beside the pruned one: cosine {least:.6f}")


def _change(judge: Judge) -> dict[str, Any]:
    """What ``recipes/onnx/prune.py`` said of it."""
    changes = judge.work.result("adapt").report["changes"]
    found: dict[str, Any] = next(change for change in changes if change["did"] == "pruned")
    return found
