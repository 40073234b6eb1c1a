"""The first diverging layer by cutting, with a toolkit that is quick and could look inside, but may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.errors import Exit

from .test_parity_step import RECIPE, TARGET, ZERO, Fault, page, project, seed

LAYERS = ["conv1", "conv2", "dense1", "dense2", "dense3"]
TENSORS = dict(zip(LAYERS, ["relu1", "relu2", "relu3", "relu4", "logits"], strict=True))
# In 8 bits the weights' own names have an ending.
MIRRORED = """for w in model.graph.initializer:
        if w.name.startswith("{layer}.weight") and w.name.endswith("scale"):
            w.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(w), w.name))"""


def blind(folder: Path) -> None:
    """The recipe of the project's own gives no intermediate tensors."""
    file = folder / "recipes" / RECIPE.name / "recipe.yaml"
    text = file.read_text()
    assert text.count("taps: true") == 1
    file.write_text(text.replace("taps: true", "taps: false"))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["conv1", "dense1"])
def test_the_spoiled_layer_is_named(layer: str, tmp_path: Path, warm_cache: Path) -> None:
    made = project(tmp_path / "digits", warm_cache)
    seed(made, Fault("model", "", converter=MIRRORED.format(layer=layer)))
    blind(made.folder)
    said = made.run("parity", TARGET)
    assert said.code == Exit.PARITY, said.err
    body, html = page(made)
    first, gate = body["first"], body["gates"]["cosine"]
    assert (body["fault"], first["node"], first["tensor"]) == ("model", layer, TENSORS[layer])
    assert f"first diverging layer: `{layer}`" in said.err
    assert "by cutting: 3 beginnings of the model were converted" in said.err
    assert first["cosine"] < gate
    assert (len(first["before"]) > 0) == (layer != "conv1")
    assert all(cosine >= gate for cosine in first["before"].values())
    assert "By cutting" in html


@pytest.mark.slow
def test_a_dead_layer_is_called_so_and_what_was_converted_is_kept(tmp_path: Path, warm_cache: Path) -> None:
    made = project(tmp_path / "digits", warm_cache)
    seed(made, Fault("model", "", converter=ZERO))
    blind(made.folder)
    said = made.run("parity", TARGET)
    assert "layer `conv2` (Conv) is dead" in said.err
    logs = list((made.folder / ".edgepack" / "logs").glob("*parity.log"))
    asked = [log.read_text().count("convert.py") for log in logs]
    assert asked == [3]
    assert "layer `conv2` (Conv) is dead" in made.run("parity", TARGET).err
    assert [log.read_text().count("convert.py") for log in logs] == asked
