"""Faults that only colour and several outputs can show, seeded into the detector of ``examples/shapes``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgepack.errors import Exit
from tests import digits
from tests.convert.test_parity_step import BOARD, SPOILS, TARGET

SHAPES = digits.EXAMPLE.with_name("shapes")
RECIPE = SHAPES.parents[1] / "recipes" / "onnx-onnxruntime"
SWAP = """\
#include <edgepack/edgepack.h>
#include <algorithm>
edgepack::Tensor swap_channels(const edgepack::Tensor& image) {
  edgepack::Tensor out = image;
  const auto plane = static_cast<std::ptrdiff_t>(image.data.size() / 3);
  std::swap_ranges(out.data.begin(), out.data.begin() + plane, out.data.begin() + 2 * plane);
  return out;
}
"""
REORDER = """turn = {"p3": "p4", "p4": "p3"}
    for node in model.graph.node:
        node.output[:] = [turn.get(name, name) for name in node.output]
        node.input[:] = [turn.get(name, name) for name in node.input]
    a, b = [value for value in model.graph.output if value.name in turn]
    a.name, b.name = b.name, a.name"""


@pytest.fixture
def made(tmp_path: Path, warm_cache: Path) -> digits.Digits:
    """The example in fp32, which needs no calibration, for a board of its own."""
    folder = tmp_path / "shapes"
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "__pycache__", "train")
    shutil.copytree(SHAPES, folder, ignore=skipped)
    (folder / "targets").mkdir(exist_ok=True)
    (folder / "targets" / f"{TARGET}.yaml").write_text(BOARD)
    project = digits.Digits(folder, tmp_path / "home", warm_cache)
    project.temporary.mkdir(parents=True)
    project.rewrite("edgepack.yaml", "targets:\n", f"targets:\n  {TARGET}: {{precision: fp32}}\n")
    return project


def swap_channels(made: digits.Digits) -> None:
    (made.folder / "src" / "swap.cpp").write_text(SWAP)
    text = (made.folder / "edgepack.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(text) if line.startswith("pre:"))
    text.insert(at + 1, "  - {code: src/swap.cpp, entry: swap_channels}")
    (made.folder / "edgepack.yaml").write_text("\n".join(text) + "\n")


def reorder_outputs(made: digits.Digits) -> None:
    own = made.folder / "recipes" / RECIPE.name
    shutil.copytree(RECIPE, own, ignore=shutil.ignore_patterns("__pycache__"))
    (own / "convert.py").rename(own / "honest.py")
    (own / "convert.py").write_text(SPOILS.format(fault=REORDER))


def misread_outputs(made: digits.Digits) -> None:
    made.rewrite("src/post.cpp", "decode_head(outputs[i]", "decode_head(outputs[(i + 1) % heads.size()]")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "stage", "words"),
    [
        (swap_channels, "pre", "red and blue are swapped (RGB/BGR)"),
        (reorder_outputs, "model", "the outputs are in another order"),
        (misread_outputs, "post", "`post` takes the outputs in another order"),
    ],
)
def test_it_is_named(made: digits.Digits, seed: object, stage: str, words: str) -> None:
    assert callable(seed)
    seed(made)
    said = made.run("parity", TARGET)
    assert said.code == Exit.PARITY, said.err
    assert words in said.err
    body = json.loads((made.folder / "dist" / f"shapes@{TARGET}.parity.json").read_text())
    assert (body["fault"], words in body["cause"]["words"]) == (stage, True)
