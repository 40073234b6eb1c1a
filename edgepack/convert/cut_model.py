"""Models that end early: where one can be cut, and the conversion of what comes before a cut."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.catalog.recipes import Recipe
from edgepack.convert.recipe import Converted, Request, convert
from edgepack.convert.rescue import Rescue


@dataclass(frozen=True)
class Cut:
    """A place in the model's order: ``recipes/onnx/cut.py`` says what is before it, and why that is all.

    tensors: those that are outputs there; made: which of them no cut before it has; layers: the nodes since
    the cut before it, one of which, ``node``, it is called by.
    """

    tensors: tuple[str, ...]
    made: tuple[str, ...]
    layers: tuple[str, ...]
    node: str
    op: str


@dataclass(frozen=True)
class Beginning:
    """The model up to a cut, and what the recipe made of it in ``folder`` and said of it."""

    model: Path
    folder: Path
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Cutter:
    """Cuts the model that a conversion was given. request: that conversion, with all that was asked of it.

    rescued: whether the whole was converted only after it was made over (``rescue.py``).
    """

    reference: Recipe
    recipe: Recipe
    request: Request
    log: Path
    rescued: bool = False

    def cuts(self, there: Sequence[str] | None = None) -> list[Cut]:
        """In the model's order, the last is the whole. there: only where all tensors are among these.

        Raises what ``convert`` raises.
        """
        found: list[Cut] = []
        skipped: tuple[str, ...] = ()
        with tempfile.TemporaryDirectory(prefix="edgepack-cuts-") as temporary:
            rows = self._ask({}, Path(temporary)).report["cuts"]
        for number, row in enumerate(rows):
            tensors, layers = tuple(row["tensors"]), skipped + tuple(row["layers"])
            if there is not None and not set(tensors) <= set(there) and number + 1 < len(rows):
                skipped = layers
                continue
            known = {name for cut in found for name in cut.tensors}
            made = tuple(name for name in tensors if name not in known)
            found.append(Cut(tensors, made, layers, str(row["node"]), str(row["op"])))
            skipped = ()
        return found

    def convert(self, cut: Cut, folder: Path) -> Beginning:
        """What comes before it, by the very recipe and request; folder: empty. Raises as ``convert`` does."""
        made, out = folder / "made", folder / "out"
        for place in (made, out):
            place.mkdir()
        asked = self._ask({"tensors": list(cut.tensors)}, made)
        model, there = asked.files["model.onnx"], set(asked.report["nodes"])
        keep = tuple(node for node in self.request.keep if node in there)
        request = dataclasses.replace(self.request, model=model, out=out, keep=keep)
        if self.rescued:
            found = Rescue(self.reference, self.recipe, self._once, self.log, _quiet).convert(request)
        else:
            found = self._once(request)
        return Beginning(model, out, found.report)

    def _once(self, asked: Request) -> Converted:
        return convert(self.recipe, asked, self.log, _quiet)

    def _ask(self, options: Mapping[str, Any], out: Path) -> Converted:
        asked = Request(self.request.model, "fp32", out, options=options)
        return convert(self.reference, asked, self.log, _quiet, "cut.py")


def _quiet(note: str) -> None:
    """A cut is told of as a whole: that it is made, and what came of it."""
