"""The trained model in the format that another project's server loads, held to ONNX Runtime here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from edgepack.catalog.recipes import Recipe
from edgepack.convert.recipe import Converted, Request, convert
from edgepack.manifest.project import Project
from edgepack.plan.chain import PREPARE

FORMATS: Mapping[str, tuple[str, str]] = {
    "tensorflow-serving": ("onnx-tflite", "savedmodel.py"),
    "paddle-serving": ("onnx-paddlelite", "inference.py"),
}
"""Kind of server → the recipe whose environment makes its model, and the program of it."""


def convert_for(
    kind: str,
    project: Project,
    recipes: Mapping[str, Recipe],
    out: Path,
    log: Path,
    progress: Callable[[str], None],
) -> Converted:
    """The project's ONNX model, its shapes fixed, in that format; files in ``out``. Raises as recipes do."""
    recipe, program = FORMATS[kind]
    section = project.manifest.model
    with tempfile.TemporaryDirectory(prefix="edgepack-export-") as temporary:
        whole, adapted = Path(temporary) / "whole", Path(temporary) / "adapted"
        whole.mkdir()
        adapted.mkdir()
        options = {"shapes": dict(section.shapes)} if section.shapes else {}
        asked = Request(project.file(section.file), "fp32", whole, options=options)
        model = _only(convert(recipes[PREPARE], asked, log, progress))
        changes = {"opset": section.opset, "simplify": section.simplify or None}
        wanted = {name: value for name, value in changes.items() if value is not None}
        if wanted:
            model = _only(
                convert(recipes[PREPARE], Request(model, "fp32", adapted, options=wanted), log, progress)
            )
        return convert(recipes[recipe], Request(model, "fp32", out), log, progress, program)


def _only(converted: Converted) -> Path:
    (file,) = converted.files.values()
    return file
