"""OpenCV's dnn as the reader beside ours, in an environment of its own (OpenCV 4: 5 reads neither format)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgepack.tools import uv
from edgepack.tools.runner import command, run
from tests.recipes.trying import Floats

HERE = Path(__file__).parent


def compute(
    reader: str, files: tuple[Path, Path], inputs: Floats, layers: tuple[str, ...], folder: Path
) -> dict[str, Floats]:
    """reader: Darknet or Caffe; files: model and weights; inputs: (N, …). Outputs (N, …) by layer."""
    python = uv.environment(HERE / "opencv.txt", "3.11")
    np.save(folder / "inputs.npy", inputs)
    script, out = HERE / "read_opencv.py", folder / "opencv.npz"
    done = run(command(python, "-IB", script, reader, *files, folder / "inputs.npy", out, *layers))
    assert done.ok, done.text()
    with np.load(out, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
