"""Which gates a target has: the manifest's, the recipe's, the precision's, and those of a pruned model."""

from __future__ import annotations

from types import SimpleNamespace as Made
from typing import Any, cast

import pytest

from edgepack.catalog import recipes
from edgepack.manifest.model import Parity, Prune
from edgepack.plan.gates import Gates, gates_for, gates_of

NONE = Parity()
EIGHT = Gates(0.99, 1.0, records=0.5, near=0.1)
TOLD = Parity(cosine=0.95, max_abs=0.3, records=0.75)


@pytest.mark.parametrize(
    ("precision", "parity", "gates"),
    [
        ("fp32", NONE, Gates(0.9999, 1e-3)),
        ("fp16", NONE, Gates(0.999, 2e-2)),
        ("int8", NONE, EIGHT),
        ("w8", NONE, EIGHT),
        ("int8", TOLD, Gates(0.95, 0.3, records=0.75, near=0.1)),
        ("fp32", TOLD, Gates(0.95, 0.3, records=0.75)),
        ("int8", Parity(records=0), Gates(0.99, 1.0, records=0.0, near=0.1)),
    ],
)
def test_what_is_left_out_follows_the_precision(precision: str, parity: Parity, gates: Gates) -> None:
    assert gates_for(parity, precision, recipes.load_all(None)["onnx-onnxruntime"]) == gates


@pytest.mark.parametrize(
    ("precision", "accuracy", "parity", "gates"),
    [
        ("fp32", True, NONE, Gates(0.9, 1.0, records=0.5, near=0.1)),
        ("int8", True, NONE, Gates(0.9, 1.0, records=0.5, near=0.1)),
        ("fp32", True, Parity(cosine=0.999), Gates(0.999, 1.0, records=0.5, near=0.1)),
        ("fp32", False, NONE, Gates(0.9999, 1e-3)),
    ],
)
def test_of_a_pruned_model_it_is_the_task_that_decides_where_there_is_data_for_it(
    precision: str, accuracy: bool, parity: Parity, gates: Gates
) -> None:
    model = Made(prune=Prune(magnitude=0.3), accuracy=Made() if accuracy else None)
    recipe = recipes.load_all(None)["onnx-onnxruntime"]
    choice = Made(options=Made(parity=None), precision=precision, recipe=recipe)
    assert gates_of(cast(Any, Made(model=model, parity=parity)), cast(Any, choice)) == gates
