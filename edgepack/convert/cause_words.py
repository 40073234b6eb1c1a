"""Causes in the words of those who make the mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from edgepack.manifest.blocks import Mode


@dataclass(frozen=True)
class Words:
    """pre, model: what is wrong, where `pre` or the converted model is at fault; fix: what to do about it."""

    pre: str
    model: str
    fix: str


_SCALE = "correct `scale` of `normalize` in edgepack.yaml (1/255 maps bytes to 0..1)"
_MEAN = (
    "write `mean` and `std` of `normalize` in the unit that `scale` leads to: 0..1 or 0..255, both the same"
)
_TRAINED = "write in `normalize` what the training did: scale, mean and std"
CONVERTER = "leave the converter's own mean, scale, channel order and layout as the ONNX model has them"
_LAYOUT = "make `pre` write channels first: (C, H, W), or tell the converter the layout that it gets"
_CHANNELS = "turn the channels round in `pre`, or export the model for the order that the camera gives"

INPUT: dict[str, Words] = {
    "channels": Words(
        "the channels are in reverse order: red and blue are swapped (RGB/BGR)",
        "it takes the channels in reverse order: red and blue are swapped (RGB/BGR)",
        _CHANNELS,
    ),
    "mean order": Words(
        "mean and std are in reverse channel order (RGB/BGR)",
        "its mean and std are in reverse channel order (RGB/BGR)",
        "write mean and std in the order of the channels: red, green, blue",
    ),
    "nhwc": Words(
        "channels come first where the model's memory has them last (NCHW fed as NHWC)",
        "it reads its input channels last, and gets it channels first (NCHW fed as NHWC)",
        _LAYOUT,
    ),
    "nchw": Words(
        "channels come last where the model has them first (NHWC fed as NCHW)",
        "it reads its input channels first, and it lies there channels last (NHWC fed as NCHW)",
        _LAYOUT,
    ),
    "axes": Words(
        "height and width are exchanged",
        "its height and width are exchanged",
        "write sizes as [height, width]",
    ),
    "scale*255": Words(
        "the values are 255 times too small (scale)", "it takes values 255 times larger (scale)", _SCALE
    ),
    "scale/255": Words(
        "the values are 255 times too large (scale)", "it takes values 255 times smaller (scale)", _SCALE
    ),
    "mean*255": Words("the mean is wrong by 255 times: too small", "its mean is wrong by 255 times", _MEAN),
    "mean/255": Words("the mean is wrong by 255 times: too large", "its mean is wrong by 255 times", _MEAN),
    "std*255": Words("std is wrong by 255 times: too small", "its std is wrong by 255 times", _MEAN),
    "std/255": Words("std is wrong by 255 times: too large", "its std is wrong by 255 times", _MEAN),
    "no mean": Words(
        "a mean is subtracted, and the model was trained without",
        "it does not want its mean subtracted: it subtracts it itself",
        _TRAINED,
    ),
    "no std": Words("std divides, and the model was trained without", "it divides by std itself", _TRAINED),
    "no normalize": Words(
        "mean and std are applied, and the model was trained on 0..1 without them",
        "it applies mean and std itself, and gets values that have them already",
        _TRAINED,
    ),
    "raw": Words(
        "values are normalised, and the model was trained on bytes 0..255",
        "it normalises its input itself, and gets it normalised already",
        _TRAINED,
    ),
    "twice": Words(
        "values are normalised once, and the training did it twice",
        "it wants its input normalised twice",
        _TRAINED,
    ),
    "mean sign": Words(
        "the mean has the wrong sign: it is added, and has to be subtracted",
        "its mean has the wrong sign",
        "turn the sign of `mean` in edgepack.yaml",
    ),
}

OUTPUT: dict[str, Words] = {
    "output nhwc": Words("", "its outputs lie channels last, and are read channels first (layout)", _LAYOUT),
    "output nchw": Words("", "its outputs lie channels first, and are read channels last (layout)", _LAYOUT),
    "output axes": Words("", "the last two axes of its outputs are exchanged (layout)", _LAYOUT),
    "output reversed": Words("", "the channels of its outputs are in reverse order", "see the converter"),
}


_RESIZE = {rule: f"resize as the training does: `mode: {rule}`" for rule in get_args(Mode)}
_RESIZE["letterbox"] = "resize as the training does: `letterbox` in place of `resize`"
_RESIZE["bilinear"] = "resize as the training does: `resize`, with `mode: bilinear`"


def of_input(key: str) -> Words:
    """What a variant of ``recipes/onnx/variants.py`` means."""
    if key.startswith("logmel "):
        keys = key.removeprefix("logmel ")
        said = f"another log-mel spectrum: the training's is that of `{keys}`"
        return Words(said, said, f"write `{keys}` in `logmel`")
    if key.startswith("resize "):
        rule = key.removeprefix("resize ")
        said = f"another resize rule: the training resized by `{rule}`, `pre` by another one"
        fix = _RESIZE.get(rule, f"write `{rule}` in C++ of your own, or train again")
        return Words(said, said, fix)
    return INPUT[key] if key in INPUT else INPUT[key.rpartition(" ")[0]]
