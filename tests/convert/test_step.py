"""A model that keeps its weights in a file beside it, built as any other: nothing of that file is missed."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgepack.errors import Exit
from edgepack.tools.qemu import host_arch
from tests import digits

HERE = host_arch()  # each architecture's generic target has its name


@pytest.mark.slow
def test_weights_beside_the_model_are_converted_and_watched(tmp_path: Path, warm_cache: Path) -> None:
    project = digits.copy(tmp_path / "digits", warm_cache)
    model, weights = project.folder / "model/lenet.onnx", project.folder / "model/lenet.onnx.data"
    onnx.save(onnx.load(model), model, save_as_external_data=True, location=weights.name)
    (bundle,) = project.said("build", HERE)["bundles"]
    assert bundle["proof"]["samples"] == 64
    project.said("build", HERE)
    assert "nothing to do" in project.run("build", HERE).out
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert "model/lenet.onnx.data changed" in project.run("plan", HERE).out
    changed = project.run("build", HERE)
    assert (changed.code, "does not compute what was trained" in changed.err) == (Exit.PARITY, True)
    data[-1] ^= 1
    weights.write_bytes(data)
    assert project.said("build", HERE)["bundles"] == [bundle]
