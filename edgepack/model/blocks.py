"""The project's own `pre` and `post`, run on this host: ``templates/program/src/blocks.cpp``, compiled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.model.errors import BlocksError
from edgepack.tools.runner import command, run

TIMEOUT_S = 600


@dataclass(frozen=True)
class Input:
    """The model's input: its ONNX name, and the shape of one sample, without the batch of 1."""

    tensor: str
    shape: tuple[int, ...]


PLACES = "places"
"""The array that says where a model's input lies in the picture it was made of."""

PLACES_FILE = ".places.npz"
"""How the file with it ends, beside that of the inputs."""


def pre(program: Path, wanted: Input, files: Sequence[Path], npz: Path, places: Path) -> None:
    """What `pre` makes of raw inputs: an ``.npz`` with one array, float32 (N, …), named as the tensor.

    places: an ``.npz`` too, with PLACES, float32 (N, 6), for ``post``: height and width of the picture, then
    scale and shift of rows and of columns (``templates/program/src/blocks/geometry.hpp``).
    files: ``.pgm``, ``.ppm``, or ``.npy`` of uint8. Raises BlocksError with the file that it stumbles on.
    """
    out, beside = npz.with_suffix(".npy"), places.with_suffix(".npy")
    shape = "x".join(map(str, wanted.shape))
    done = run(command(program, "pre", out, beside, shape, *files, timeout_s=TIMEOUT_S))
    if not done.ok:
        raise BlocksError(
            "`pre` does not take these inputs",
            where=str(files[0].parent),
            why=done.text().strip()[-500:] or f"it ended with {done.returncode}",
            fix="give it raw inputs like those of the box, or correct `pre` in edgepack.yaml",
        )
    for packed, name, file in ((npz, wanted.tensor, out), (places, PLACES, beside)):
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            archive.write(file, f"{name}.npy")
        file.unlink()


def post(program: Path, outputs: Mapping[str, Path], places: Path) -> list[dict[str, Any]]:
    """What `post` says of a model's outputs: a record a sample.

    places: ``.npy``, as ``pre`` leaves them for the same samples.
    outputs: tensor → ``.npy``, float32 (N, …), in the model's order. Raises BlocksError.
    """
    done = run(command(program, "post", places, *outputs.values(), timeout_s=TIMEOUT_S))
    records = [json.loads(line) for line in done.stdout.splitlines()] if done.ok else []
    wrong = next((str(record["error"]) for record in records if "error" in record), "")
    if not done.ok or wrong:
        raise BlocksError(
            "`post` does not take the model's outputs",
            why=wrong or done.text().strip()[-500:] or f"it ended with {done.returncode}",
            fix="correct `post` in edgepack.yaml, or your own code that it names",
        )
    return records
