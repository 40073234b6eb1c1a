"""The detector's own generator of scenes, for calibration sets of any size, of all classes or of one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

GENERATOR = Path(__file__).resolve().parents[2] / "examples" / "shapes" / "train" / "scenes.py"
SPLIT = 5  # the example's own data are the splits 0 to 4


def classes() -> int:
    """How many there are."""
    count: int = len(_generator().CLASSES)
    return count


def draw(folder: Path, count: int, seed: int, only: int | None = None) -> None:
    """That many binary PPMs. only: the class of all their shapes; those of no class stay as they are."""
    generator = _generator()
    if only is not None:
        # The generator draws from these, so none of its scenes is thrown away.
        generator.CLASSES = (generator.CLASSES[only],)
    for number in range(count):
        pixels = generator.scene(seed, SPLIT, number).pixels
        head = f"P6\n{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode()
        (folder / f"{number:03d}.ppm").write_bytes(head + pixels.tobytes())


def _generator() -> Any:
    """A fresh module each time: what one caller changes in it is nobody else's."""
    spec = importlib.util.spec_from_file_location("shapes_scenes", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up while they are made
    spec.loader.exec_module(module)
    return module
