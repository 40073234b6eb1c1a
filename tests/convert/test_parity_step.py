"""Faults seeded into a project and into a converter: caught before anything is packaged, and named."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgepack.errors import Exit
from edgepack.tools.qemu import host_arch
from tests import digits

BOARD = f"""\
name: A board with ONNX Runtime
facts:
  arch: {{value: {host_arch()}, source: made up for a test}}
runtimes: [onnxruntime]
"""
TARGET = "ort-board"
OPTIONS = "{precision: int8, quantisation: {search: 0}}"
RECIPE = digits.EXAMPLE.parents[1] / "recipes" / "onnx-onnxruntime"
# A converter that spoils what the honest one wrote.
SPOILS = """\
import honest, numpy as np, onnx
from onnx import helper, numpy_helper

def convert(request):
    report = honest.convert(request)
    file = request.out / "model.onnx"
    model = onnx.load(str(file))
    {fault}
    onnx.save(model, str(file))
    return report
"""
RIGHT = """\
def right(records, labels):
    return sum(str(record["class"]) == label for record, label in zip(records, labels)) / len(labels)
"""
ZERO = """for w in model.graph.initializer:
        if w.name.startswith("conv2.weight") and not w.name.endswith(("scale", "point")):
            w.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(w)), w.name))"""
SCALE = """model.graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "k255"))
    for node in model.graph.node:
        node.input[:] = ["bytes" if name == "image" else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Mul", ["image", "k255"], ["bytes"], name="bytes"))"""


@dataclass(frozen=True)
class Fault:
    """What is changed, and what the user has to read. stage: pre, model or post."""

    stage: str
    words: str
    manifest: tuple[str, str] | None = None
    converter: str = ""


FAULTS = {
    "mean of bytes": Fault("pre", "the mean is wrong by 255 times", ("mean: [0.5]", "mean: [127.5]")),
    "a layer of zeros": Fault("model", "layer `conv2` (Conv) is dead", converter=ZERO),
    "the converter scales too": Fault("model", "it takes values 255 times smaller", converter=SCALE),
}


def project(folder: Path, kept: Path) -> digits.Digits:
    """``examples/digits`` for a board of its own, in 8 bits, with the default gates."""
    made = digits.copy(folder, kept)
    (made.folder / "targets").mkdir(exist_ok=True)
    (made.folder / "targets" / f"{TARGET}.yaml").write_text(BOARD)
    made.rewrite("edgepack.yaml", "targets:\n", f"targets:\n  {TARGET}: {OPTIONS}\n")
    lines = (made.folder / "edgepack.yaml").read_text().splitlines()
    kept_lines = [line for line in lines if not line.startswith("parity:") and "calibration:" not in line]
    at = next(i for i, line in enumerate(kept_lines) if line.startswith("  golden:"))
    kept_lines.insert(at + 1, "  calibration: {data: data/golden.npz, samples: 64}")
    (made.folder / "edgepack.yaml").write_text("\n".join(kept_lines) + "\n")
    return made


def seed(made: digits.Digits, fault: Fault) -> None:
    if fault.manifest:
        made.rewrite("edgepack.yaml", *fault.manifest)
    if fault.converter:
        own = made.folder / "recipes" / RECIPE.name
        shutil.copytree(RECIPE, own, ignore=shutil.ignore_patterns("__pycache__"))
        (own / "convert.py").rename(own / "honest.py")
        (own / "convert.py").write_text(SPOILS.format(fault=fault.converter))


def page(made: digits.Digits) -> tuple[Any, str]:
    dist = made.folder / "dist"
    body = json.loads((dist / f"digits@{TARGET}.parity.json").read_text())
    return body, (dist / f"digits@{TARGET}.parity.html").read_text()


@pytest.mark.slow
def test_a_healthy_build_is_shown(tmp_path: Path, warm_cache: Path) -> None:
    """With the task's metric by a function of the user's."""
    made = project(tmp_path / "digits", warm_cache)
    (made.folder / "right.py").write_text(RIGHT)
    made.rewrite("edgepack.yaml", "metric: top1", "metric: {code: right.py, entry: right}")
    shown = made.said("parity", TARGET)["targets"][TARGET]
    assert shown["state"] == "verified on emulator or simulator (ONNX Runtime on this host)"
    assert [shown["stages"][name]["ok"] for name in ("pre", "model", "post")] == [True, True, True]
    assert (shown["score"]["metric"], shown["score"]["of"]) == ("right", 360)
    assert shown["score"]["trained"] > 0.98
    assert shown["score"]["trained"] - shown["score"]["converted"] <= 0.01
    assert (shown["warnings"], shown["cause"], shown["first"]) == ([], None, None)
    body, html = page(made)
    assert body == shown
    assert "It computes what was trained." in html
    assert "http" not in html
    assert [row["node"] for row in body["layers"]][:2] == ["conv1", "pool1"]
    shutil.rmtree(made.folder / "dist")  # what is kept is shown again, and nothing is computed
    said = made.run("parity", TARGET)
    assert (said.code, "✓" in said.err) == (0, False)
    assert page(made)[0] == body


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_and_named(name: str, tmp_path: Path, warm_cache: Path) -> None:
    fault = FAULTS[name]
    made = project(tmp_path / "digits", warm_cache)
    seed(made, fault)
    said = made.run("build", TARGET)
    assert said.code == Exit.PARITY, said.err
    assert fault.words in said.err
    assert f"stage {fault.stage};" in said.err
    body, html = page(made)
    assert (body["ok"], body["fault"], body["state"]) == (False, fault.stage, "failed")
    assert fault.words.replace("`", "")[1:] in html
    assert not list((made.folder / "dist").glob("*.model"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("{precision: int8}", Exit.OK, "30% of the weights pruned"),
        (
            "{precision: fp32, parity: {cosine: 0.9999}}",
            Exit.PARITY,
            "it is the pruning: with 30% of the weights at",
        ),
    ],
)
def test_pruning_is_told_with_what_it_costs(
    options: str, code: Exit, words: str, tmp_path: Path, warm_cache: Path
) -> None:
    made = project(tmp_path / "digits", warm_cache)
    made.rewrite("edgepack.yaml", OPTIONS, options)
    made.rewrite("edgepack.yaml", "  calibration:", "  prune: {magnitude: 0.3}\n  calibration:")
    said = made.run("parity", TARGET)
    assert said.code == code, said.err
    assert words in said.err
    body, html = page(made)
    assert body["pruned"]["converted"] >= (0.99 if code == Exit.OK else 0.9999)
    assert 0.9 < body["pruned"]["cosine"] < 0.99
    assert body["pruned"]["metric"][1] >= 0.98
    assert "weights at zero" in html


# A converter that reads opset 13 alone, and a simulator that makes the model again, as some chips' have to.
PICKY = """\
import honest, onnx
from edgepack_recipe import Refused

def convert(request):
    if onnx.load(str(request.model)).opset_import[0].version != 13:
        raise Refused("converter-failed", "it reads opset 13 alone")
    return {**honest.convert(request), "given": request.model.read_bytes().hex()}
"""
AGAIN = """\
import honest_run
from edgepack_recipe import Refused

def run(simulation):
    if simulation.trained.read_bytes().hex() != simulation.report["given"]:
        raise Refused("parity", "this is not what was converted")
    return honest_run.run(simulation)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "rescued"),
    [("prune: {magnitude: 0.1}", None), ("opset: 17", "simplified and at opset 13")],
)
def test_a_simulator_gets_what_was_converted(
    asked: str, rescued: str | None, tmp_path: Path, warm_cache: Path
) -> None:
    made = project(tmp_path / "digits", warm_cache)
    own = made.folder / "recipes" / RECIPE.name
    shutil.copytree(RECIPE, own, ignore=shutil.ignore_patterns("__pycache__"))
    for name, other, text in (("convert.py", "honest.py", PICKY), ("run.py", "honest_run.py", AGAIN)):
        (own / name).rename(own / other)
        (own / name).write_text(text)
    made.rewrite("edgepack.yaml", OPTIONS, "{precision: fp32, parity: {cosine: 0.9}}")
    made.rewrite("edgepack.yaml", "  calibration:", f"  {asked}\n  calibration:")
    said = made.run("parity", TARGET)
    assert said.code == Exit.OK, said.err
    assert page(made)[0]["conversion"].get("rescued_by") == rescued
