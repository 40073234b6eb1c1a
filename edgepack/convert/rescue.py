"""Tried before a converter's refusal is the user's problem: the model simplified, then another opset."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.recipes import Recipe
from edgepack.convert import onnx_signature
from edgepack.convert.errors import AskedError, ConvertError, ModelError
from edgepack.convert.recipe import Converted, Request, convert
from edgepack.errors import EdgepackError

OPSETS = (13, 17, 11)  # what most converters were written for, in this order; see docs/design/recipes.md


@dataclass(frozen=True)
class Rescue:
    """prepare: ``recipes/onnx``; run: converts with ``recipe``, whether it is ours or a vendor's program."""

    prepare: Recipe
    recipe: Recipe
    run: Callable[[Request], Converted]
    log: Path
    progress: Callable[[str], None]

    def convert(self, request: Request) -> Converted:
        """``run``, and where the tool refuses, again on the model simplified, then at other opsets.

        The report's ``rescued_by`` says what helped, ``rescued_with`` has it as options of ``prepare``.
        Raises the first refusal where nothing did, with what was tried in its ``detail``.
        """
        try:
            return self.run(request)
        except AskedError:
            raise
        except (ConvertError, ModelError) as refusal:
            if isinstance(refusal, ModelError) and not self._other_opset(request.model):
                raise
            tried: list[str] = []
            for words, options, model in self._models(request, tried):
                self.progress(f"refused; trying it {words}")
                try:
                    again = self._again(request, model)
                except EdgepackError as error:
                    tried.append(f"{words}: {error.what}")
                    if isinstance(error, AskedError):
                        break
                    continue
                helped = {"rescued_by": words, "rescued_with": dict(options)}
                return Converted(again.files, {**again.report, **helped})
            refusal.detail = "\n".join(
                [refusal.detail, "tried besides, in vain:", *(f"  {line}" for line in tried)]
            ).strip()
            raise

    def _other_opset(self, model: Path) -> bool:
        """Whether the model is at one that the recipe does not take."""
        own, said = onnx_signature.opset(model), self.recipe.about.opsets
        return own is not None and said is not None and not said.min <= own <= said.max

    def _models(self, request: Request, tried: list[str]) -> Iterator[tuple[str, Mapping[str, object], Path]]:
        """The model made over, with how, in words and options; what cannot be made is told in ``tried``.

        Where it cannot be simplified, it is brought to other opsets as it is.
        """
        own: object = None
        simplify, named = {"simplify": True}, "simplified"
        with tempfile.TemporaryDirectory(prefix="edgepack-rescue-") as temporary:
            for number, opset in enumerate((None, *opsets_of(self.recipe))):
                if opset is not None and opset == own:
                    continue
                at = f"at opset {opset}" if opset else ""
                words = " and ".join(filter(None, [named, at]))
                options = {**simplify, **({"opset": opset} if opset else {})}
                out = Path(temporary) / str(number)
                out.mkdir()
                asked = Request(request.model, "fp32", out, options=options)
                try:
                    made = convert(self.prepare, asked, self.log, self.progress)
                except EdgepackError as error:
                    tried.append(f"{words}: {error.what}")
                    if opset is None:
                        simplify, named = {}, ""
                    continue
                own = made.report.get("opset") if opset is None else own
                (model,) = made.files.values()
                yield words, options, model

    def _again(self, request: Request, model: Path) -> Converted:
        for leftover in request.out.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        keep = kept_in(model, request)
        again = self.run(dataclasses.replace(request, model=model, keep=keep))
        # The report speaks of the names that the user and the search know.
        known = dict(zip(keep, request.keep, strict=True))
        kept = [known.get(name, name) for name in again.report.get("kept", [])]
        return Converted(again.files, {**again.report, "kept": kept})


def opsets_of(recipe: Recipe) -> list[int]:
    """Those to try: the usual ones that the recipe takes, else the newest that it does."""
    said = recipe.about.opsets
    if said is None:
        return list(OPSETS)
    return [opset for opset in OPSETS if said.min <= opset <= said.max] or [said.max]


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
