"""The task's own metric of the records that `post` gives for held-out inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgepack.convert.errors import ConvertError, ModelError, as_input
from edgepack.convert.recipe import Converted
from edgepack.manifest.model import PythonCode
from edgepack.manifest.project import Project
from edgepack.model import heldout, mean_precision


@dataclass(frozen=True)
class Task:
    """What is measured, and which of the held-out samples, by their number."""

    metric: Literal["top1", "map50"] | PythonCode
    project: Project
    chosen: Sequence[int]


def score(
    task: Task, records: Sequence[Mapping[str, Any]], ask: Callable[[str, Mapping[str, Any]], Converted]
) -> float:
    """More is better. ask: runs a program of ``recipes/onnx``, where the user's function is run.

    Raises InputError for data that does not fit, and for what the user's function raises.
    """
    accuracy = task.project.manifest.model.accuracy
    assert accuracy is not None
    folder = task.project.file(accuracy.data)
    held = heldout.load(folder).samples
    samples = [held[number] for number in task.chosen]
    if task.metric == "top1":
        right = sum(
            str(record.get("class")) == sample.label for record, sample in zip(records, samples, strict=True)
        )
        return right / len(samples)
    if task.metric == "map50":
        true = mean_precision.load(folder, [sample.file.name for sample in held])
        said = [mean_precision.predicted(record) for record in records]
        return mean_precision.map50(said, [true[number] for number in task.chosen])
    options = {
        "code": str(task.project.file(task.metric.code).resolve()),
        "entry": task.metric.entry,
        "records": [dict(record) for record in records],
        "labels": [sample.label for sample in samples],
    }
    try:
        return float(ask("metric.py", options).report["value"])
    except (ModelError, ConvertError) as error:
        line = task.project.document.line(("model", "accuracy", "metric"))
        raise as_input(error, f"{task.metric.code} (edgepack.yaml:{line})") from None
