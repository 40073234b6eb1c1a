"""What came of holding a converted model to the trained one: numbers, and whether they are within gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgepack.plan.gates import Gates


@dataclass(frozen=True)
class Distance:
    """How far one output is. cosine: the least of all samples; limit: what max_abs may be; worst: which."""

    tensor: str
    cosine: float
    max_abs: float
    mean_abs: float
    max_reference: float
    worst: int
    least: float
    limit: float

    @property
    def ok(self) -> bool:
        """Whether both gates hold; what is not a number holds none."""
        return self.cosine >= self.least and self.max_abs <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class Score:
    """The task's metric of both models on the same inputs; more is better. of: how many inputs."""

    metric: str
    trained: float
    converted: float
    max_drop: float
    of: int

    @property
    def drop(self) -> float:
        """How much worse the converted one is; below 0 where it is better."""
        return self.trained - self.converted

    @property
    def ok(self) -> bool:
        """Whether the drop is allowed; 1e-9 is for the sums."""
        return self.drop <= self.max_drop + 1e-9

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {**asdict(self), "drop": self.drop, "ok": self.ok}


@dataclass(frozen=True)
class Evaluation:
    """A converted model beside the trained one, on the same inputs. ``score`` where the manifest asks."""

    gates: Gates
    samples: int
    outputs: tuple[Distance, ...]
    score: Score | None = None

    @property
    def ok(self) -> bool:
        """Whether every gate holds, of at least one output."""
        fine = all(output.ok for output in self.outputs)
        return bool(self.outputs) and fine and (self.score is None or self.score.ok)

    @property
    def cosine(self) -> float:
        """The least of all outputs."""
        return min((output.cosine for output in self.outputs), default=-1.0)

    @property
    def why(self) -> str:
        """Which gates do not hold, in words; empty where all do."""
        faults = [told(output) for output in self.outputs if not output.ok]
        if self.score is not None and not self.score.ok:
            score = self.score
            faults.append(
                f"{score.metric} falls from {score.trained:.4f} to {score.converted:.4f} on {score.of} "
                f"inputs, and may by {score.max_drop:g}"
            )
        return "; ".join(faults)

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {
            "ok": self.ok,
            "samples": self.samples,
            "gates": vars(self.gates),
            "outputs": {output.tensor: output.as_dict() for output in self.outputs},
            "score": self.score.as_dict() if self.score else None,
        }


def told(output: Distance) -> str:
    """One output that is off, in a sentence."""
    faults = []
    if not output.cosine >= output.least:
        faults.append(f"cosine {output.cosine:.5f} (≥ {output.least:g})")
    if not output.max_abs <= output.limit:
        faults.append(f"largest error {output.max_abs:.3g} (≤ {output.limit:.3g})")
    return f"output `{output.tensor}` is off: {', '.join(faults)}"


def distances(outputs: Mapping[str, Mapping[str, Any]], gates: Gates) -> tuple[Distance, ...]:
    """What ``recipes/onnx/near.py`` reported, held to gates."""
    return tuple(
        Distance(
            tensor=name,
            cosine=float(row["cosine"]),
            max_abs=float(row["max_abs"]),
            mean_abs=float(row["mean_abs"]),
            max_reference=float(row["max_reference"]),
            worst=int(row["worst"]),
            least=gates.cosine,
            limit=gates.max_abs * max(1.0, float(row["max_reference"])),
        )
        for name, row in outputs.items()
    )
