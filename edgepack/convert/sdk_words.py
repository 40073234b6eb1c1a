"""The words of a vendor's command line: a recipe's templates and conditions, and the names in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgepack.catalog.recipes import Precision, Recipe
from edgepack.catalog.sdk import Argument
from edgepack.convert import sdk_calibration
from edgepack.convert.onnx_signature import Tensor
from edgepack.convert.recipe import Request
from edgepack.convert.sdk_calibration import Samples
from edgepack.convert.sdk_find import Toolkit

if TYPE_CHECKING:
    import jinja2


@dataclass(frozen=True)
class Place:
    """What ``argvs`` needs besides the request. work: the steps' own folder, which is thrown away."""

    toolkit: Toolkit
    work: Path
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    samples: Samples | None = None
    helps: Mapping[str, str] = field(default_factory=dict)  # a program → what its `--help` says
    user: Mapping[str, str] = field(default_factory=dict)  # the user's variables that the recipe asks for


def declared_precision(recipe: Recipe, request: Request) -> Precision | None:
    """What the recipe says of the precision on this chip: it may differ between chips."""
    named = [p for p in recipe.about.precisions if p.name == request.precision]
    return next((p for p in named if not p.chips or request.chip in p.chips), None)


class Words:
    """Templates and conditions of a recipe, with the names that docs/design/recipes.md lists."""

    names: Mapping[str, Any]

    def __init__(self, recipe: Recipe, request: Request, place: Place) -> None:
        import jinja2

        self._jinja: jinja2.Environment = jinja2.Environment(  # noqa: S701 - argv and config files, no HTML
            loader=jinja2.FileSystemLoader(recipe.folder),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self.names = _names(recipe, request, place)

    def text(self, template: str, **more: object) -> str:
        """A template's text; more: names besides, such as ``item``."""
        return self._jinja.from_string(template).render({**self.names, **more})

    def file(self, template: str) -> str:
        """The text of a template that lies in the recipe's folder."""
        return self._jinja.get_template(template).render(self.names)

    def value(self, expression: str) -> Any:
        """What an expression stands for."""
        return self._jinja.compile_expression(expression, undefined_to_none=False)(**self.names)

    def true(self, expression: str) -> bool:
        """Whether a condition holds; the empty one does."""
        return not expression or bool(self.value(expression))


def _names(recipe: Recipe, request: Request, place: Place) -> dict[str, Any]:
    declared = declared_precision(recipe, request)
    defaults = {
        "scheme": declared.schemes[0] if declared and declared.schemes else "",
        "granularity": declared.granularities[0] if declared and declared.granularities else "",
        "method": declared.methods[0] if declared and declared.methods else "",
    }
    return {
        "model": str(request.model),
        "model_name": request.model.stem,
        "weights": str(request.weights) if request.weights else "",
        "out": str(request.out),
        "work": str(place.work),
        "recipe": str(recipe.folder),
        "sdk": str(place.toolkit.folder),
        "folder_of": {name: str(path.parent) for name, path in place.toolkit.programs.items()},
        "chip": recipe.chip(request.chip) or "",
        "target": request.target,
        "precision": request.precision,
        "inputs": [_tensor(t) for t in place.inputs],
        "outputs": [_tensor(t) for t in place.outputs],
        "calibration": place.samples,
        "quantisation": {**defaults, **request.quantisation},
        "options": dict(request.options),
        "keep": list(request.keep),
        "user": dict(place.user),
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "file": sdk_calibration.file_name(tensor.name),
    }


def words_of(argument: Argument, said: Words) -> Iterator[str]:
    """The words of one argument; none where its condition does not hold."""
    if not said.true(argument.when):
        return
    for item in said.value(argument.each) if argument.each else [None]:
        for template in argument.words:
            yield said.text(template, item=item)
