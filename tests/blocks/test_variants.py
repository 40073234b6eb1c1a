"""The usual mistakes, undone again, where `pre` is made of blocks: recipes/onnx/variants.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from edgepack_blocks import pictures
from edgepack_blocks.geometry import Geometry

ONNX = Path(__file__).parents[2] / "recipes" / "onnx"
BY = {"scale": 1 / 255, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
SIZE = [12, 20]


@pytest.fixture(scope="module")
def recipe() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ONNX))
    try:
        import variants

        yield variants
    finally:
        sys.path.remove(str(ONNX))
        for name in ("variants", "resizing"):
            sys.modules.pop(name, None)


def prepared(raw: Any, kind: str, **by: Any) -> Any:
    """(N, H, W, 3) to the model's input (N, 3, h, w)."""
    rows = []
    for image in raw.transpose(0, 3, 1, 2):
        made, where = getattr(pictures, kind)(image, Geometry.of(image), SIZE, **by)
        rows.append(pictures.normalize(made, where, BY["mean"], BY["std"], BY["scale"])[0])
    return np.float32(rows)


def undone(recipe: ModuleType, folder: Path, inputs: Any, **options: Any) -> dict[str, Any]:
    """By its name, what each variant makes of the inputs."""
    np.savez(folder / "inputs.npz", image=inputs)
    chosen = list(range(len(inputs)))
    asked = {"inputs": str(folder / "inputs.npz"), "samples": chosen, "normalize": BY, **options}
    said = recipe.variants(SimpleNamespace(options=asked, out=folder))
    whole = np.load(folder / "variants.npz")["image"]
    return dict(zip(said["variants"], np.split(whole, len(said["variants"])), strict=True))


@pytest.mark.parametrize(
    ("shipped", "trained", "key"),
    [
        (("resize", {"mode": "bilinear"}), ("resize", {"mode": "antialiased"}), "resize antialiased"),
        (("resize", {"mode": "antialiased"}), ("resize", {"mode": "bilinear"}), "resize bilinear"),
        (("resize", {"mode": "nearest"}), ("resize", {"mode": "area"}), "resize area"),
        (("letterbox", {"fill": 0.0}), ("resize", {"mode": "bilinear"}), "resize bilinear"),
        (("resize", {"mode": "area"}), ("letterbox", {}), "resize letterbox"),
    ],
)
def test_another_resize_rule_is_tried(
    recipe: ModuleType, tmp_path: Path, shipped: Any, trained: Any, key: str
) -> None:
    raw = np.random.default_rng(3).integers(0, 256, (2, 31, 40, 3), dtype=np.uint8)
    np.savez(tmp_path / "golden.npz", input=raw)
    (kind, by), (other, rule) = shipped, trained
    options = {"raw": str(tmp_path / "golden.npz"), "shipped": {kind: {"size": SIZE, **by}}}
    found = undone(recipe, tmp_path, prepared(raw, kind, **by), **options)
    np.testing.assert_allclose(found[key], prepared(raw, other, **rule), atol=1e-4)
    assert f"resize {by.get('mode', 'letterbox')}" not in found or kind == "letterbox"


def test_channels_last_are_undone_as_channels_first_are(recipe: ModuleType, tmp_path: Path) -> None:
    raw = np.random.default_rng(4).integers(0, 256, (2, 31, 40, 3), dtype=np.uint8)
    inputs = prepared(raw, "resize")
    first = undone(recipe, tmp_path, inputs)
    last = undone(recipe, tmp_path, np.ascontiguousarray(inputs.transpose(0, 2, 3, 1)), channels_last=True)
    for key in ("as it is", "channels", "no mean", "mean order", "scale*255", "axes"):
        np.testing.assert_allclose(last[key].transpose(0, 3, 1, 2), first[key], rtol=1e-6)
    # Not the memory of channels first, poured into another shape.
    np.testing.assert_array_equal(last["nchw"].reshape(inputs.shape), inputs)
