"""The usual mistakes on the way to a model's input, each undone: the same inputs as they would have to be.

Options: ``inputs``, an ``.npz`` with one input, (N, C, H, W) or other; ``samples``, which of them;
``normalize``, the manifest's ``{scale, mean, std}`` or None; ``raw``, the golden vectors where `pre` is
resize or letterbox and normalize alone, or logmel alone, and ``shipped`` then, that block:
``{resize: {size, mode}}``.
``channels_last``: the input is (N, H, W, C).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import resizing
from edgepack_blocks import pictures
from edgepack_blocks.geometry import Geometry
from edgepack_blocks.sound import logmel
from edgepack_recipe import Request, tensors

LIKE = 1e-2  # of the input's range: how near the shipped resize must be to be told from another rule


@dataclass(frozen=True)
class Normalize:
    """``(x * scale - mean) / std``; mean and std (C, 1, 1) or one number."""

    scale: float
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, asked: Mapping[str, Any], shape: tuple[int, ...]) -> Normalize:
        def wide(values: list[float]) -> np.ndarray:
            return np.array(values, np.float64).reshape(-1, *(1,) * (len(shape) - 2))

        return cls(float(asked["scale"]), wide(asked["mean"]), wide(asked["std"]))

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        return (raw * self.scale - self.mean) / self.std

    def undone(self, values: np.ndarray) -> np.ndarray:
        """What went in, 0…255 for images."""
        return (values * self.std + self.mean) / self.scale


def variants(request: Request) -> dict[str, Any]:
    """``variants.npz``: all samples of the first, of the second …; ``variants``: their names, in order."""
    options = request.options
    ((name, all_inputs),) = tensors.load(Path(options["inputs"])).items()
    chosen = list(options["samples"])
    given = all_inputs[chosen].astype(np.float64)
    last = bool(options.get("channels_last")) and given.ndim == 4
    if last:
        given = given.transpose(0, 3, 1, 2)
    found: dict[str, np.ndarray] = {"as it is": given}
    made = [*_layouts(given, last), *_values(given)]
    if options.get("normalize"):
        made += _normalised(given, Normalize.of(options["normalize"], given.shape))
        if options.get("raw"):
            raw = np.load(str(options["raw"]), allow_pickle=False)["input"][chosen]
            made += _resized(given, raw, options)
    if "logmel" in options.get("shipped", {}):
        raw = np.load(str(options["raw"]), allow_pickle=False)["input"][chosen]
        made += _heard(given, raw, options["shipped"]["logmel"])
    for key, values in made:
        same = any(np.array_equal(values, other) for other in found.values())
        if key not in found and not same and np.isfinite(values).all():
            found[key] = values
    whole = np.concatenate(list(found.values()))
    tensors.save(request.out / "variants.npz", {name: whole.transpose(0, 2, 3, 1) if last else whole})
    return {"files": ["variants.npz"], "variants": list(found), "samples": len(chosen)}


def _layouts(given: np.ndarray, last: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Of (N, C, H, W); last: that is not how they lie in memory."""
    if given.ndim != 4:
        return
    count, channels, height, width = given.shape
    if channels in (3, 4):
        yield "channels", np.concatenate([given[:, 2::-1], given[:, 3:]], 1)
    if last:
        mixed = given.reshape(count, height, width, channels)
        yield "nchw", mixed.transpose(0, 3, 1, 2)
    else:
        yield "nhwc", given.transpose(0, 2, 3, 1).reshape(given.shape)
        yield "nchw", given.reshape(count, height, width, channels).transpose(0, 3, 1, 2)
    if height == width:
        yield "axes", given.swapaxes(2, 3)
    else:
        yield "axes", given.reshape(count, channels, width, height).swapaxes(2, 3)
        yield "axes memory", given.swapaxes(2, 3).reshape(given.shape)


def _values(given: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "scale*255", given * 255
    yield "scale/255", given / 255


def _normalised(given: np.ndarray, asked: Normalize) -> Iterator[tuple[str, np.ndarray]]:
    """The raw values are known from the shipped ones, and so what other settings would have made of them."""
    raw = asked.undone(given)
    for key, factor in (("scale*255", 255.0), ("scale/255", 1 / 255)):
        yield key + " before", Normalize(asked.scale * factor, asked.mean, asked.std)(raw)
    for key, factor in (("mean*255", 255.0), ("mean/255", 1 / 255)):
        yield key, Normalize(asked.scale, asked.mean * factor, asked.std)(raw)
        yield key + " std", Normalize(asked.scale, asked.mean * factor, asked.std * factor)(raw)
        yield key.replace("mean", "std"), Normalize(asked.scale, asked.mean, asked.std * factor)(raw)
    yield "no mean", Normalize(asked.scale, asked.mean * 0, asked.std)(raw)
    yield "no std", Normalize(asked.scale, asked.mean, asked.std * 0 + 1)(raw)
    yield "no normalize", raw * asked.scale
    yield "raw", raw
    yield "twice", asked(given / asked.scale)
    yield "mean sign", Normalize(asked.scale, -asked.mean, asked.std)(raw)
    if given.ndim == 4 and given.shape[1] == 3:
        yield "channels before", asked(raw[:, ::-1])
        turned = Normalize(asked.scale, asked.mean[::-1], asked.std[::-1])
        yield "mean order", turned(raw)


def _heard(given: np.ndarray, raw: np.ndarray, by: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """What other libraries' conventions make of the sound, named by the keys that say so. Sizes stay."""
    sounds = raw[:, None] if raw.ndim == 2 else raw
    for keys in _conventions(by):
        if all(by[key] == value for key, value in keys.items()):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            made = np.stack([logmel(sound, **{**by, **keys}) for sound in sounds])
        if made.size == given.size:
            said = {
                key: str(value).lower() if isinstance(value, bool) else value for key, value in keys.items()
            }
            yield "logmel " + ", ".join(f"{k}: {v}" for k, v in said.items()), made.reshape(given.shape)


def _conventions(by: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One thing that the training may have done otherwise, or what goes together in one library."""
    filters = [{"scale": scale, "area": area} for scale in ("htk", "slaney") for area in (False, True)]
    yield from filters
    yield from ({"power": power} for power in (1.0, 2.0))
    levels: list[dict[str, Any]] = [{"log": log} for log in ("natural", "ten", "decibel")]
    levels += [{"floor": 0.0, "offset": offset} for offset in (1e-6, 1.0)]
    levels += [{"floor": floor, "offset": 0.0} for floor in (1e-10, 1e-5)]
    yield from levels
    yield from ({**first, **then} for first in filters for then in levels)
    yield from ({"low": low} for low in (0.0, 20.0))
    yield {"high": by["rate"] / 2}
    size = by["fft"] or by["window"]
    if size != by["window"]:
        yield {"window": size}


def _resized(
    given: np.ndarray, raw: np.ndarray, options: Mapping[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """Only where the shipped rule, written again here, makes what `pre` makes."""
    asked = Normalize.of(options["normalize"], given.shape)
    images = raw[:, None] if raw.ndim == 3 else raw.transpose(0, 3, 1, 2)
    images = images.astype(np.float64)
    ((kind, by),) = options["shipped"].items()
    size = (int(by["size"][0]), int(by["size"][1]))
    if images.shape[1] != given.shape[1] or images.shape[2:] == size or given.shape[2:] != size:
        return
    block = {"resize": pictures.resize, "letterbox": pictures.letterbox}[kind]
    shipped = asked(np.stack([block(image, Geometry.of(image), **by)[0] for image in images]))
    alike = LIKE * max(float(np.ptp(given)), 1e-6)
    if np.abs(shipped - given).max() > alike:
        return
    for key, rule in resizing.RULES.items():
        made = asked(rule(images, size))
        if np.abs(made - shipped).max() > 1e-9:
            yield f"resize {key}", made
