"""Where a recipe itself refuses what its tool made, which computes another thing: the layer it begins with.

Recipes hold what they write to ONNX Runtime before they hand it on. Nothing is handed on then that could be
compared, so beginnings of the model are converted, and the recipe is asked of each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from edgepack.convert.bisect import LIMITS, Limits, bisect
from edgepack.convert.cut_model import Cut, Cutter
from edgepack.convert.errors import ConvertParityError
from edgepack.errors import EdgepackError


def told(cutter: Cutter, progress: Callable[[str], None], limits: Limits = LIMITS) -> str:
    """The first diverging layer in words, with how it was found; empty where it is not known."""
    progress("refused by the recipe's own comparison: looking for the first diverging layer")
    try:
        cuts = cutter.cuts()
    except EdgepackError:
        return ""
    lost: list[str] = []

    def probe(number: int) -> bool | None:
        cut = cuts[number - 1]
        progress(f"cut at {', '.join(cut.tensors)}, {number} of {len(cuts)} places")
        with tempfile.TemporaryDirectory(prefix="edgepack-beginning-") as temporary:
            try:
                cutter.convert(cut, Path(temporary))
            except ConvertParityError:
                return False
            except EdgepackError as error:
                lost.append(error.what)
                return None
        return True

    found = bisect(len(cuts), probe, limits)
    if lost and len(lost) == found.probes:
        return ""
    between = [name for cut in cuts[found.good : found.off] for name in cut.layers]
    words = [f"first diverging layer: {_called(cuts[found.off - 1])}; by cutting: {found.probes} conversions"]
    before = f"at `{'`, `'.join(cuts[found.good - 1].tensors)}`" if found.good else "at the input"
    words.append(f"the recipe's own comparison holds {before} and not at the next cut")
    if len(between) > 1:
        words.append("it is one of " + ", ".join(f"`{name}`" for name in between[:6]))
    if found.stopped:
        words.append(f"it stopped early, {found.stopped}")
    return "; ".join(words)


def _called(cut: Cut) -> str:
    return f"`{cut.node}` ({cut.op}), tensor `{'`, `'.join(cut.made)}`"
