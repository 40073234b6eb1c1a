"""The scripts that run in vendors' own Pythons, as far as that can be seen without them."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

from edgepack.catalog import recipes

SHIPPED = recipes.load_all(None)
SCRIPTS = sorted(
    {r.folder / s.script for r in SHIPPED.values() for s in r.about.steps if s.script is not None}
)

# As `pegasus generate inputmeta` writes it (Acuity 6), for an image and for a list of scales.
INPUTMETA = """# !!!This file disallow TABs!!!
# "category" allowed values: "image, frequency, undefined"
input_meta:
  databases:
  - path: dataset.txt
    type: TEXT
    ports:
    - lid: images_208
      category: image
      dtype: float32
      layout: nchw
      shape:
      - 1
      - 3
      - 64
      - 64
      fitting: scale
      preprocess:
        reverse_channel: true
        mean:
        - 123.675
        - 116.28
        - 103.53
        scale: SCALE
        preproc_node_params:
          add_preproc_node: false
          preproc_type: IMAGE_RGB
          preproc_perm:
          - 0
          - 1
          - 2
          - 3
      redirect_to_output: false
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_old_pythons_read_it(script: Path) -> None:
    ast.parse(script.read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("scale", ["0.0039", "\n        - 0.0039\n        - 0.0039\n        - 0.0039"])
def test_nothing_is_done_twice_to_calibration_samples(scale: str) -> None:
    patch = runpy.run_path(str(SHIPPED["onnx-nbg"].folder / "inputmeta.py"))["tensors_as_they_are"]
    text = patch(INPUTMETA.replace(" SCALE", " " + scale.strip() if "\n" not in scale else scale))
    assert "reverse_channel: false" in text
    assert "category: undefined" in text
    assert "0.0039" not in text
    assert "123.675" not in text
    assert '# "category" allowed values' in text
    shape = text[text.index("shape:") : text.index("fitting")].split()
    assert shape == ["shape:", "-", "1", "-", "3", "-", "64", "-", "64"]
    assert text.count("- 0\n") == 4  # three means, and the permutation's own zero
    assert "fitting: scale" in text
