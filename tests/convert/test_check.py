"""``edgepack recipes check``: each recipe brings, or is given, a network that shows whether it works here."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgepack.catalog import recipes
from edgepack.convert.check import INPUTS, OUTPUTS, Bench, Case, check

SHIPPED = recipes.load_all(None)
IMPORTS = [r for r in SHIPPED.values() if r.about.to == "onnx" and r.about.from_ != "onnx"]
LIGHT = ("caffe-onnx", "darknet-onnx", "onnx")


def bench(folder: Path) -> Bench:
    return Bench(SHIPPED["onnx"], folder / "log", print, {})


@pytest.mark.parametrize("recipe", IMPORTS, ids=lambda r: r.id)
def test_it_brings_a_network_and_what_another_reader_makes_of_it(recipe: recipes.Recipe) -> None:
    place = recipe.folder / "check"
    names = {file.relative_to(place).as_posix() for file in place.rglob("*")}
    ends = tuple(suffix.removeprefix("*/") for suffix in recipe.about.suffixes)
    assert sum(name.endswith(ends) for name in names) == 1
    assert not recipe.about.weights or any(n.endswith(tuple(recipe.about.weights)) for n in names)
    for name in (INPUTS, OUTPUTS):
        with np.load(place / name, allow_pickle=False) as found:
            assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
            assert all(float(array.std()) > 1e-4 for array in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", LIGHT)
def test_it_is_proven(recipe: str, tmp_path: Path) -> None:
    shown = check(SHIPPED[recipe], Case("fp32", None), bench(tmp_path))
    assert (shown.ok, shown.state) == (True, "verified on emulator or simulator (ONNX Runtime)"), shown.why


@pytest.mark.heavy
@pytest.mark.parametrize("recipe", [r.id for r in IMPORTS if r.id not in LIGHT])
def test_it_is_proven_with_its_framework(recipe: str, tmp_path: Path) -> None:
    test_it_is_proven(recipe, tmp_path)


@pytest.mark.slow
def test_what_does_not_compute_the_same_fails(tmp_path: Path) -> None:
    own = tmp_path / "caffe-onnx"
    shutil.copytree(SHIPPED["caffe-onnx"].folder, own, ignore=shutil.ignore_patterns("__pycache__"))
    with np.load(own / "check" / OUTPUTS) as found:
        outputs = {name: np.array(array) for name, array in found.items()}
    outputs["prob"] = outputs["prob"][:, ::-1]
    np.savez(own / "check" / OUTPUTS, **outputs)
    shown = check(dataclasses.replace(SHIPPED["caffe-onnx"], folder=own), Case("fp32", None), bench(tmp_path))
    assert (shown.ok, shown.state) == (False, "failed")
    assert "0.9999 is needed" in shown.why
