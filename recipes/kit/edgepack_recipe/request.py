"""What edgepack asks of a recipe. The fields are described in docs/design/recipes.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """Convert ``model`` into files in ``out``, an empty folder; ``work`` is private and thrown away."""

    model: Path
    out: Path
    work: Path
    precision: str
    weights: Path | None = None
    chip: str | None = None
    target: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    calibration: Path | None = None
    quantisation: dict[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Request:
        return cls(
            model=Path(body["model"]),
            out=Path(body["out"]),
            work=Path(body["work"]),
            precision=body["precision"],
            weights=_path(body.get("weights")),
            chip=body.get("chip"),
            target=body.get("target") or "",
            options=dict(body.get("options") or {}),
            calibration=_path(body.get("calibration")),
            quantisation=dict(body.get("quantisation") or {}),
            keep=tuple(body.get("keep") or ()),
        )


@dataclass(frozen=True)
class Simulation:
    """Compute the converted model on ``inputs``, an ``.npz`` with float32 (N, ...) by ONNX input name.

    taps: ONNX tensors wanted besides the outputs; ``("*",)`` is all that there are. trained, calibration:
    what ``convert`` was given, for tools whose simulator does not load what they wrote.
    """

    model: Path
    report: dict[str, Any]
    inputs: Path
    work: Path
    chip: str | None = None
    taps: tuple[str, ...] = ()
    trained: Path | None = None
    calibration: Path | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Simulation:
        return cls(
            model=Path(body["model"]),
            report=dict(body["report"]),
            inputs=Path(body["inputs"]),
            work=Path(body["work"]),
            chip=body.get("chip"),
            taps=tuple(body.get("taps") or ()),
            trained=_path(body.get("trained")),
            calibration=_path(body.get("calibration")),
        )


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None
