"""Raw inputs, however the user keeps them, as files.

Pictures become ``.npy`` files of uint8 (H, W) or (H, W, C), sound ones of float32 (1, channels, samples); a
WAV file goes along as it is: the program itself reads it.

Asked with the options ``{"images": folder}``, ``{"arrays": file}`` or ``{"code": file, "entry": name}``, and
``samples``: how many at most, evenly spread over what there is.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import own_code
from edgepack_recipe import Refused, Request
from PIL import Image, UnidentifiedImageError

SOUND = {".wav"}
SUFFIXES = {".pgm", ".ppm", ".png", ".jpg", ".jpeg", ".bmp"}
LARGEST_LOADER = 100_000  # samples; a generator may never end


def load(request: Request) -> dict[str, Any]:
    """The report names the files in order; ``found`` is how many there were to choose from."""
    options = request.options
    if "images" in options:
        chosen, found = _images(Path(options["images"]), options["samples"])
    elif "arrays" in options:
        chosen, found = _arrays(Path(options["arrays"]), options["samples"])
    else:
        chosen, found = _loaded(Path(options["code"]), options["entry"], options["samples"])
    files = []
    for number, sample in enumerate(chosen):
        files.append(f"{number:06d}{'.wav' if isinstance(sample, Path) else '.npy'}")
        if isinstance(sample, Path):
            shutil.copyfile(sample, request.out / files[-1])
        else:
            np.save(request.out / files[-1], _raw(sample, number))
    if not files:
        raise Refused("unsupported-input", "there is no calibration sample", fix="give 100 or more")
    return {"files": files, "found": found}


def spread(count: int, samples: int) -> list[int]:
    """``samples`` numbers below ``count``, evenly spread; all of them where there are no more."""
    wanted = min(samples, count)
    return [round(i * (count - 1) / max(wanted - 1, 1)) for i in range(wanted)]


def _images(folder: Path, samples: int) -> tuple[Iterator[np.ndarray | Path], int]:
    known = SUFFIXES | SOUND
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in known and p.is_file())
    if not files:
        what, looked = f"{folder.name} holds no image", ", ".join(sorted(known))
        raise Refused("unsupported-input", what, f"looked for: {looked}", "put images there, or name another")
    return (_image(files[i]) for i in spread(len(files), samples)), len(files)


def _image(file: Path) -> np.ndarray | Path:
    """Gray stays gray; what has a palette or transparency becomes red, green, blue. Sound stays the file."""
    if file.suffix.lower() in SOUND:
        return file
    try:
        with Image.open(file) as image:
            return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as wrong:
        raise Refused("unsupported-input", f"{file.name} is not an image", detail=str(wrong)) from None


def _arrays(file: Path, samples: int) -> tuple[Sequence[np.ndarray], int]:
    try:
        found = np.load(str(file), allow_pickle=False)
        arrays = found["input"] if "input" in getattr(found, "files", ["input"]) else found[found.files[0]]
        array = arrays if isinstance(found, np.lib.npyio.NpzFile) else found
    except (OSError, ValueError, IndexError) as wrong:
        what = f"{file.name} holds no array of raw inputs"
        raise Refused("unsupported-input", what, fix="np.savez(file, input=…)", detail=str(wrong)) from None
    return [array[i] for i in spread(len(array), samples)], len(array)


def _loaded(file: Path, entry: str, samples: int) -> tuple[Sequence[np.ndarray], int]:
    """What the user's function yields. All of it is taken before it is spread: it may be sorted by class."""
    found = own_code.call(file, entry, lambda own: list(itertools.islice(own(), LARGEST_LOADER)))
    return [found[i] for i in spread(len(found), samples)], len(found)


def _raw(sample: Any, number: int) -> np.ndarray:
    array = np.asarray(sample)
    if array.dtype == np.float32 and array.ndim in (1, 2):
        return np.ascontiguousarray(array.reshape(1, -1, array.shape[-1]))
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        what = f"sample {number} is {array.dtype} of the shape {list(array.shape)}"
        raise Refused(
            "unsupported-input",
            what,
            "raw inputs are uint8, (H, W) or (H, W, C); of sound float32, (samples) or (channels, samples)",
        )
    return np.ascontiguousarray(array)
