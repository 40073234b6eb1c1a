"""What a user sees of a chip whose architecture nobody knows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgepack.cli import main
from edgepack.errors import Exit

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
FLEET = """
nodes:
  box-07: {target: hailo8r, address: 192.0.2.7, user: pi}
  box-08: {target: rk3588, address: 192.0.2.8}
"""

Out = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "digits"
    shutil.copytree(DIGITS, copy, ignore=shutil.ignore_patterns(".edgepack", "dist", "train"))
    text = (copy / "edgepack.yaml").read_text()
    (copy / "edgepack.yaml").write_text(text.replace("targets:\n", "targets:\n  hailo8r: {}\n  rk3588: {}\n"))
    (copy / "fleet.yaml").write_text(FLEET)
    return copy


def test_it_is_listed_and_shown_as_unknown(capsys: Out) -> None:
    assert main.main(["targets"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("hailo8r ")]
    assert row.split()[1] == "unknown"
    assert main.main(["targets", "hailo8r"]) == 0
    shown = capsys.readouterr().out
    assert "  hailort  the converted model alone" in shown
    assert "  arch: unknown (its processor's architecture, without which no program is made;" in shown
    assert main.main(["targets", "hailo8r", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["arch"] is None


@pytest.mark.parametrize(
    ("words", "where", "why"),
    [
        (["deploy", "box-07"], "dist/digits@hailo8r", "a program is what is deployed"),
        (
            ["export", "stick", "box-07", "--into", "x"],
            "dist/digits@hailo8r",
            "a program is what is deployed",
        ),
        (["sandbox", "up", "try", "--target", "hailo8r"], "targets/hailo8r.yaml", "is compiled for one"),
        (["build", "hailo8r"], "edgepack.yaml:", "a program with gcc is compiled for one"),
    ],
)
def test_what_needs_an_architecture_says_so_and_what_to_do(
    folder: Path, capsys: Out, words: list[str], where: str, why: str
) -> None:
    manifest = folder / "edgepack.yaml"
    told = manifest.read_text().replace("hailo8r: {}", "hailo8r: {toolchain: gcc}")
    manifest.write_text(
        told.replace("data: data/val/}", "data: data/val/}\n  calibration: {data: data/val/}")
    )
    assert main.main(["-C", str(folder), *words, "--json"]) == Exit.INPUT
    error = json.loads(capsys.readouterr().out)
    assert error["what"] == "the architecture of hailo8r is not known"
    assert error["where"].startswith(where)
    assert why in error["why"]
    assert "a copy of " in error["fix"]
    assert "in targets/ beside edgepack.yaml: `arch: {value: aarch64, source:" in error["fix"]
    assert error["detail"].startswith("No `arch` is given: HailoRT is for x86 and Arm processors")


def test_a_box_whose_target_was_built_as_a_model_alone_is_told_so(folder: Path, capsys: Out) -> None:
    assert main.main(["-C", str(folder), "deploy", "box-08"]) == Exit.INPUT
    assert "edgepack build --for box-08" in capsys.readouterr().err
    (folder / "dist" / "digits@rk3588.model").mkdir(parents=True)
    assert main.main(["-C", str(folder), "deploy", "box-08"]) == Exit.INPUT
    told = capsys.readouterr().err
    assert "there is no program for box-08, a rk3588: the model alone was built" in told
    assert "edgepack plan rk3588 --explain" in told
    assert "build --for" not in told


@pytest.mark.parametrize("slip", ["arhc", "archs", "architecture", "machine"])
def test_a_slip_in_its_name_is_no_fact_of_another_name(folder: Path, capsys: Out, slip: str) -> None:
    file = folder / "targets" / "shelf.yaml"
    file.parent.mkdir()
    file.write_text(f"name: x\nruntimes: [ncnn]\nfacts:\n  {slip}: {{value: aarch64, source: uname -m}}\n")
    assert main.main(["-C", str(folder), "targets", "shelf"]) == Exit.INPUT
    told = capsys.readouterr().err
    assert f"`{slip}` is no fact that edgepack reads: did you mean `arch`?" in told
    assert "targets/shelf.yaml" in told
