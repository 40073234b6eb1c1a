"""An engine made and computed on this host, where its device is the target's: with stand-ins, no GPU."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from edgepack.catalog import recipes
from edgepack.convert import device, sdk_find
from edgepack.errors import ToolError
from tests import digits
from tests.digits import Digits
from tests.standins import toolkits

TENSORRT = recipes.load_all(None)["onnx-tensorrt"]
MADE = "dist/digits@x86_64-tensorrt"


def _toolkit(folder: Path, gpu: str = "NVIDIA RTX A2000, 550.54.15") -> Path:
    place = toolkits.install("tensorrt", folder)
    (place / "standin-gpu").write_text(gpu)
    return place


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of PATH, empty."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for name in ("EDGEPACK_SDK_TENSORRT", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return folder


TOLD = {
    "NVIDIA RTX A2000, 550.54.15": "NVIDIA RTX A2000, 550.54.15",
    "none": "-",
    "no driver": "-",
}


@pytest.mark.parametrize(("there", "told"), TOLD.items())
def test_what_a_result_depends_on(tmp_path: Path, path: Path, there: str, told: str) -> None:
    place = _toolkit(tmp_path, there)
    (path / "nvidia-smi").symlink_to(place / "bin/nvidia-smi")
    found = device.facts(TENSORRT, sdk_find.find(TENSORRT, {"tensorrt": str(place)}))
    assert (found["TensorRT"], found["GPU"]) == ("TensorRT v100300", told)
    if told == "-" and found["board"] == "-":
        with pytest.raises(ToolError, match="no device that runs tensorrt is on this host") as refused:
            device.check(TENSORRT, found)
        assert "nvidia-smi --query-gpu=name,driver_version" in refused.value.why
    else:
        device.check(TENSORRT, found)


def test_the_recipe_on_the_device_is_a_vendors_program_here() -> None:
    here = TENSORRT.on_device()
    assert (here.about.run, here.gives_back) == ("sdk", "trtexec")
    assert (TENSORRT.about.run, TENSORRT.gives_back) == ("box", "by contract only")


@pytest.fixture
def project(tmp_path: Path) -> Digits:
    """``examples/digits`` for this host's GPU."""
    at = digits.copy(tmp_path / "digits", digits.fresh_cache(tmp_path / "kept"))
    _asks(at, "x86_64-tensorrt: {converts_on: here, precision: fp32}")
    return at


def _asks(at: Digits, target: str) -> None:
    manifest = at.folder / "edgepack.yaml"
    text = (digits.EXAMPLE / "edgepack.yaml").read_text()
    # Each sample is a start of the stand-in, and of what it computes with.
    text = "".join(line for line in text.splitlines(True) if "accuracy:" not in line)
    before, _, rest = text.partition("targets:\n")
    text = f"{before}targets:\n  {target}\n\n{rest[rest.index('parity:') :]}sdk: {{tensorrt: ../tensorrt}}\n"
    manifest.write_text(text)


REFUSED = {
    "jetson-orin-nano: {converts_on: here}": "this host is x86_64, and jetson-orin-nano is aarch64",
    "x86_64: {converts_on: here}": "onnx-ncnn converts on this host anyway",
    "x86_64-tensorrt: {converts_on: there}": "edgepack.yaml:",
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the sentences name this architecture")
@pytest.mark.parametrize(("target", "told"), REFUSED.items())
def test_what_this_host_cannot_make_is_refused_at_plan(project: Digits, target: str, told: str) -> None:
    _asks(project, target)
    said = project.run("plan")
    assert said.code == 3
    assert told in said.err
    assert "converts_on" in said.err


@pytest.mark.slow
def test_an_engine_is_made_here_and_held_to_the_trained_model(project: Digits, path: Path) -> None:
    lacking = project.run("build")
    assert lacking.code == 5
    assert "onnx-tensorrt needs the TensorRT with trtexec" in lacking.err

    place = _toolkit(project.folder.parent, "none")
    (path / "nvidia-smi").symlink_to(place / "bin/nvidia-smi")
    blind = project.run("build")
    assert blind.code == 5
    assert "no device that runs tensorrt is on this host" in blind.err

    (place / "standin-gpu").write_text("NVIDIA RTX A2000, 550.54.15")
    built = project.run("build")
    assert built.code == 0, built.out + built.err
    made = project.folder / f"{MADE}.model"
    assert sorted(file.name for file in made.iterdir()) == ["model.engine", "model.json"]
    told = json.loads((made / "model.json").read_text())
    assert told["conversion"]["made_on"]["GPU"] == "NVIDIA RTX A2000, 550.54.15"
    report = json.loads((project.folder / f"{MADE}.parity.json").read_text())
    assert (report["ok"], report["state"], report["samples"]) == (True, "by contract only", 8)
    assert report["outputs"]["logits"]["cosine"] > 0.99999
    assert "already" in project.run("build").out or "cached" in project.run("plan").out

    (place / "standin-gpu").write_text("NVIDIA RTX A2000, 560.1")
    assert "GPU on this host changed" in project.run("plan").out

    program = place / "bin/trtexec"
    program.write_text(program.read_text().replace("float(v):.6g", "float(v) * v:.6g"))
    wrong = project.run("build")
    assert wrong.code == 8, wrong.out + wrong.err
    assert "the converted model does not compute what was trained" in wrong.err
    assert json.loads((project.folder / f"{MADE}.parity.json").read_text())["state"] == "failed"
