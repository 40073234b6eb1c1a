"""How far outputs may be from the trained model's, by precision.

The figures are those that fit trained models measured on six toolkits (docs/design/whole-way.md):
fp32 differs by the order of sums alone, fp16 by its 11-bit significand, bf16 by its 8-bit one; of 8-bit
integers the cosine is held, and no error may be larger than the largest value.

What `post` makes of outputs that may differ differs too: a box of a detector in 8 bits lies a pixel beside,
and one at a threshold comes or goes. So there half of the samples must say nearly the same, which no wrong
`post` does; how good the answers are is for `accuracy.max_drop`. `post` itself is held to the golden records
on golden outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgepack.catalog.recipes import Recipe
from edgepack.manifest.model import Parity
from edgepack.manifest.project import Manifest
from edgepack.plan.step import Choice


@dataclass(frozen=True)
class Gates:
    """cosine: the least per sample; max_abs: the largest difference, relative to max(1, |reference|max).

    records: the least part of the samples whose field agrees; near: how far a float of a record may be and
    still agree, relative to max(1, |reference|).
    """

    cosine: float
    max_abs: float
    records: float = 1.0
    near: float = 1e-3


_DEFAULTS = {"fp32": Gates(0.9999, 1e-3), "fp16": Gates(0.999, 2e-2), "bf16": Gates(0.999, 1e-1)}
_EIGHT_BITS = Gates(0.99, 1.0, records=0.5, near=0.1)


_PRUNED = Gates(0.9, 1.0, records=0.5, near=0.1)
"""Of a pruned model with held-out data: pruning is meant to change it, and `accuracy.max_drop` says how far.
The converter is held to the pruned model by the precision's own gates."""


def gates_for(parity: Parity, precision: str, recipe: Recipe) -> Gates:
    """The manifest's gates; where it says nothing the recipe's own, and then the precision's."""
    default = _DEFAULTS.get(precision, _EIGHT_BITS)
    own = next((gate for name, gate in recipe.about.gates.items() if name == precision), None)
    if own is not None:
        default = replace(default, cosine=own.cosine, max_abs=own.max_abs or default.max_abs)
    return replace(
        default,
        cosine=parity.cosine or default.cosine,
        max_abs=parity.max_abs or default.max_abs,
        records=default.records if parity.records is None else parity.records,
    )


def gates_of(manifest: Manifest, choice: Choice) -> Gates:
    """A target's own gates where it says some, else the manifest's."""
    parity = choice.options.parity or manifest.parity
    gates = gates_for(parity, choice.precision, choice.recipe)
    if manifest.model.prune is None or manifest.model.accuracy is None:
        return gates
    return Gates(
        parity.cosine or min(gates.cosine, _PRUNED.cosine),
        parity.max_abs or max(gates.max_abs, _PRUNED.max_abs),
        min(gates.records, _PRUNED.records) if parity.records is None else parity.records,
        max(gates.near, _PRUNED.near),
    )
