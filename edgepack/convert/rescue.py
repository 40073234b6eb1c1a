"""Tried before a converter's refusal is the user's problem: the model simplified, then another opset."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.convert import onnx_signature
from edgepack.convert.errors import ConvertError
from edgepack.convert.recipe import Converted, Request, convert
from edgepack.errors import EdgepackError


def with_rescue(
    prepare: Recipe, recipe: Recipe, request: Request, log: Path, progress: Callable[[str], None]
) -> Converted:
    """``convert``, and where the tool refuses, again on the model simplified, then at other opsets.

    The report's ``rescued_by`` says what helped. Raises the first refusal where nothing did, with what
    was tried in its ``detail``.
    """
    try:
        return convert(recipe, request, log, progress)
    except ConvertError as refusal:
        tried: list[str] = []
        for words, options in _ways(recipe):
            progress(f"refused; trying it {words}")
            again = _another(prepare, recipe, request, options, log, progress)
            if isinstance(again, Converted):
                return Converted(again.files, {**again.report, "rescued_by": words})
            tried.append(f"{words}: {again}")
        refusal.detail = "\n".join(
            [refusal.detail, "tried besides, in vain:", *(f"  {line}" for line in tried)]
        ).strip()
        raise


def _ways(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "simplified", {"simplify": True}
    opsets = recipe.about.opsets
    for opset in (13, 17):
        if opsets is None or opsets.min <= opset <= opsets.max:
            yield f"simplified and at opset {opset}", {"simplify": True, "opset": opset}


def _another(
    prepare: Recipe,
    recipe: Recipe,
    request: Request,
    options: Mapping[str, Any],
    log: Path,
    progress: Callable[[str], None],
) -> Converted | str:
    """The conversion of the model made over, or why that failed too."""
    with tempfile.TemporaryDirectory(prefix="edgepack-rescue-") as temporary:
        try:
            made = convert(
                prepare, Request(request.model, "fp32", Path(temporary), options=options), log, progress
            )
            for leftover in request.out.iterdir():
                leftover.unlink()
            (model,) = made.files.values()
            keep = kept_in(model, request)
            again = convert(recipe, dataclasses.replace(request, model=model, keep=keep), log, progress)
            # The report speaks of the names that the user and the search know.
            known = dict(zip(keep, request.keep, strict=True))
            kept = [known.get(name, name) for name in again.report.get("kept", [])]
            return Converted(again.files, {**again.report, "kept": kept})
        except EdgepackError as error:
            return error.what


def kept_in(model: Path, request: Request) -> tuple[str, ...]:
    """What the layers that stay in floating point are called in a model made over.

    Nodes may be renamed there, or another may bear the name; a layer is known by the tensor that it makes.
    Raises ConvertError where none makes it any more.
    """
    if not request.keep:
        return ()
    before, after = onnx_signature.made(request.model), onnx_signature.made(model)
    maker = {tensor: name for name, tensor in after.items()}
    gone = [name for name in request.keep if before.get(name, name) not in maker]
    if gone:
        raise ConvertError(
            f"`{gone[0]}` is to stay in floating point, and is merged with other layers there",
            where=request.model.name,
        )
    return tuple(maker[before.get(name, name)] for name in request.keep)
