"""A layer spoiled in a toolkit that nothing can look inside of: found by cutting the model, for real."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack.catalog import recipes
from edgepack.convert import state
from edgepack.errors import Exit
from edgepack.tools.qemu import host_arch
from tests import digits

from .asked import RECIPES

pytestmark = pytest.mark.heavy
TARGET = "board"
# Stands in the recipe's place: the honest one, on a model one of whose layers has other weights.
SPOILS = """\
import dataclasses, honest, numpy as np, onnx
from honest import *  # run.py asks it for more than convert
from onnx import numpy_helper

def convert(request):
    model = onnx.load(str(request.model))
    for weight in model.graph.initializer:
        if weight.name == "{layer}.weight":
            values = numpy_helper.to_array(weight)
            weight.CopyFrom(numpy_helper.from_array({values}.astype(np.float32), weight.name))
    changed = request.work / "spoiled.onnx"
    onnx.save(model, str(changed))
    return honest.convert(dataclasses.replace(request, model=changed))
"""
# A toolkit that takes one layer for another: the recipe itself sees that, and hands nothing on.
MISTAKES = """\
import build, honest, numpy as np, onnx
from onnx import numpy_helper

RIGHT = build.library

def wrong(file, *rest):
    model = onnx.load(str(file))
    for weight in model.graph.initializer:
        if weight.name == "{layer}.weight":
            weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    changed = rest[-1].with_suffix(".onnx")
    onnx.save(model, str(changed))
    return RIGHT(changed, *rest)

build.library = wrong
convert = honest.convert
"""
ZERO, MIRRORED = "(values * 0)", "(-values)"
# Layer → the tensor after it where the model can be cut: behind its activation.
LAYERS = {"conv1": "relu1", "conv2": "relu2", "dense1": "relu3", "dense2": "relu4", "dense3": "logits"}


@dataclass(frozen=True)
class Toolkit:
    """A recipe, and what a board has to be for it."""

    recipe: str
    runtime: str
    precision: str
    chip: str = ""


TVM = Toolkit("onnx-tvm", "tvm", "fp32")
CASES = (
    (TVM, ZERO),
    (TVM, MIRRORED),
    (Toolkit("onnx-tflite", "litert", "fp32"), ZERO),
    (Toolkit("onnx-tflite", "litert", "int8"), MIRRORED),
    (Toolkit("onnx-kmodel", "nncase-v1", "int8", chip="k210"), ZERO),
)


def name_of(value: Toolkit | str) -> str:
    if isinstance(value, Toolkit):
        return f"{value.recipe}-{value.precision}"
    return {ZERO: "zero", MIRRORED: "mirrored"}[value]


def project(toolkit: Toolkit, folder: Path, kept: Path) -> digits.Digits:
    """``examples/digits`` for a board with that runtime, with the default gates."""
    lacking = state.lacks(recipes.load_all(None)[toolkit.recipe])
    if lacking:
        pytest.skip(f"{toolkit.recipe} needs {lacking}")
    made = digits.copy(folder, kept)
    chip = f"  chip: {{value: {toolkit.chip}, source: made up for a test}}\n" if toolkit.chip else ""
    (made.folder / "targets").mkdir(exist_ok=True)
    (made.folder / "targets" / f"{TARGET}.yaml").write_text(
        f"name: A board with {toolkit.runtime}\nfacts:\n"
        f"  arch: {{value: {host_arch()}, source: made up for a test}}\n{chip}"
        f"runtimes: [{toolkit.runtime}]\n"
    )
    made.rewrite(
        "edgepack.yaml",
        "targets:\n",
        f"targets:\n  {TARGET}: {{precision: {toolkit.precision}, quantisation: {{search: 0}}}}\n",
    )
    manifest = made.folder / "edgepack.yaml"
    lines = [
        line for line in manifest.read_text().splitlines() if not line.startswith(("parity:", "  accuracy:"))
    ]
    at = next(number for number, line in enumerate(lines) if line.startswith("  golden:"))
    lines.insert(at + 1, "  calibration: {data: data/golden.npz, samples: 64}")
    manifest.write_text("\n".join(lines) + "\n")
    return made


def spoil(made: digits.Digits, recipe: str, code: str) -> None:
    """code: stands in its ``convert.py``'s place, which is ``honest`` then."""
    own = made.folder / "recipes" / recipe
    shutil.copytree(RECIPES / recipe, own, ignore=shutil.ignore_patterns("__pycache__"))
    (own / "convert.py").rename(own / "honest.py")
    (own / "convert.py").write_text(code)


def told(made: digits.Digits) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((made.folder / "dist" / f"digits@{TARGET}.parity.json").read_text())
    return body


@pytest.mark.parametrize(("toolkit", "values"), CASES, ids=name_of)
def test_the_spoiled_layer_is_named(toolkit: Toolkit, values: str, tmp_path: Path, warm_cache: Path) -> None:
    layer = random.Random(f"{toolkit}{values}").choice(list(LAYERS))
    made = project(toolkit, tmp_path / "digits", warm_cache)
    spoil(made, toolkit.recipe, SPOILS.format(layer=layer, values=values))
    said = made.run("parity", TARGET)
    assert said.code == Exit.PARITY, said.err
    body = told(made)
    first, gate = body["first"], body["gates"]["cosine"]
    assert (body["fault"], first["node"], first["tensor"]) == ("model", layer, LAYERS[layer])
    assert f"first diverging layer: `{layer}`" in said.err
    assert "by cutting" in said.err
    assert body["looked"]["how"] == "cutting"
    assert first["cosine"] < gate
    assert all(cosine >= gate for cosine in first["before"].values())
    assert bool(first["before"]) == (layer != "conv1")
    assert first["alone"] < gate
    page = (made.folder / "dist" / f"digits@{TARGET}.parity.html").read_text()
    assert "by cutting" in page
    assert layer in page


@pytest.mark.parametrize("layer", ["conv1", "conv2", "dense3"])
def test_the_layer_is_named_where_the_recipe_itself_refuses(
    layer: str, tmp_path: Path, warm_cache: Path
) -> None:
    made = project(TVM, tmp_path / "digits", warm_cache)
    spoil(made, TVM.recipe, MISTAKES.format(layer=layer))
    said = made.run("parity", TARGET)
    assert said.code == Exit.PARITY, said.err
    assert f"first diverging layer: `{layer}`" in said.err
    assert f"tensor `{LAYERS[layer]}`; by cutting: 3 conversions" in said.err
    before = {"conv1": "at the input", "conv2": "at `pool1`", "dense3": "at `relu4`"}[layer]
    assert f"holds {before} and not at the next cut" in said.err


def test_the_layers_of_a_healthy_model_are_shown_where_they_are_asked_for(
    tmp_path: Path, warm_cache: Path
) -> None:
    made = project(TVM, tmp_path / "digits", warm_cache)
    shown = made.said("parity", TARGET)["targets"][TARGET]
    assert (shown["ok"], shown["layers"]) == (True, [])
    shown = made.said("parity", TARGET, "--layers")["targets"][TARGET]
    assert shown["ok"] is True
    names = [row["tensor"] for row in shown["layers"]]
    assert len(names) == 7
    assert (names[0], names[-1]) == ("relu1", "logits")
    assert all(row["cosine"] >= shown["gates"]["cosine"] for row in shown["layers"])
    assert shown["looked"]["note"].startswith("by cutting: 6 beginnings")
    assert told(made) == shown
    said = made.run("parity", TARGET, "--layers")  # from what is kept
    assert "relu1" in said.out
    assert "by cutting" in said.out
    assert "Layer by layer" in (made.folder / "dist" / f"digits@{TARGET}.parity.html").read_text()
