"""The building blocks of ``pre`` and ``post``: one model each, and what their lists must look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from edgepack.manifest.graph import Each
from edgepack.manifest.labels import Labels
from edgepack.manifest.rules import Alarm, Count, Debounce, Dwell, Line, Schedule, Zone, wrong_rules
from edgepack.manifest.words import Entry, InsidePath, Model, matching

Finite = Annotated[float, Field(allow_inf_nan=False)]
Side = Annotated[int, Field(gt=0, le=16384)]
Size = Annotated[list[Side], Field(min_length=2, max_length=2)]
Share = Annotated[float, Field(ge=0, le=1)]
OutputName = Annotated[str, Field(min_length=1, max_length=512)]
Mode = Literal["bilinear", "nearest", "area", "antialiased"]

_MODE = (
    "bilinear: half-pixel centres, edges clamped, as OpenCV's INTER_LINEAR; nearest: as its INTER_NEAREST; "
    "area: the mean of what a pixel covers; antialiased: as Pillow's BILINEAR and torchvision's `antialias`"
)
_OUTPUT = "which of the model's outputs, by its ONNX name; left out: the first"
_LABELS = "names of the classes in their order, or a file of the project with one a line"


class Resize(Model):
    """Both sides stretched, each on its own."""

    size: Size = Field(description="height and width, in pixels")
    mode: Mode = Field(default="bilinear", description=_MODE)


class Letterbox(Model):
    """As large as fits with the sides kept in proportion; the rest is filled. Before `normalize`."""

    size: Size = Field(description="height and width, in pixels")
    fill: Finite = Field(default=114, description="the value of the rest, in every channel")
    align: Literal["center", "corner"] = Field(
        default="center", description="where the picture lies: in the middle, or top left"
    )
    mode: Mode = Field(default="bilinear", description="how it is resized: as `resize` has it")


class Crop(Model):
    """A part of the image; one that is too small for it is refused."""

    size: Size = Field(description="height and width, in pixels")
    at: Annotated[list[Annotated[int, Field(ge=0, le=65535)]], Field(min_length=2, max_length=2)] | None = (
        Field(default=None, description="top and left, in pixels; left out: the middle")
    )


class Color(Model):
    """Which channels the model takes; the picture comes as red, green, blue, or as gray alone."""

    order: Literal["rgb", "bgr", "gray"] = Field(
        description="gray: 0.299 red + 0.587 green + 0.114 blue (BT.601); rgb and bgr of gray: three times"
    )


class Normalize(Model):
    """``(x * scale - mean) / std``, per channel or one value for all."""

    scale: Finite = Field(default=1 / 255, description="applied first; 1/255 maps bytes to 0..1")
    mean: Annotated[list[Finite], Field(min_length=1, max_length=64)] = Field(
        description="one value for all channels, or one for each; red, green, blue"
    )
    std: Annotated[list[Finite], Field(min_length=1, max_length=64)] = Field(
        description="as many as `mean`; not 0"
    )

    @model_validator(mode="after")
    def _fits(self) -> Normalize:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values and std has {len(self.std)}")
        if any(value == 0 for value in self.std):
            raise ValueError("std must not be 0: it divides")
        return self


class Layout(Model):
    """How the model's input lies in memory."""

    order: Literal["nchw", "nhwc"] = Field(description="nchw: channels first, as images are; nhwc: last")


class Logmel(Model):
    """Sound to how loud it is in each band: {channels, samples} to {bands, frames}; channels are averaged.

    A frame is a periodic Hann window, its |FFT| to `power`, triangles on a mel scale, and a logarithm.
    """

    rate: Annotated[int, Field(ge=1, le=384000)] = Field(
        description="samples a second that the model was trained on; a WAV file with another is refused"
    )
    window: Annotated[int, Field(ge=2, le=16384)] = Field(description="of a frame, in samples")
    hop: Annotated[int, Field(ge=1, le=16384)] = Field(description="from frame to frame, in samples")
    bands: Annotated[int, Field(ge=1, le=1024)] = Field(description="how many: `n_mels`")
    fft: Annotated[int, Field(ge=2, le=16384)] | None = Field(
        default=None, description="its size, the window in the middle: `n_fft`; left out: as `window`"
    )
    samples: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        default=None,
        description="cut, or filled with silence, to so many; left out: the sound as it comes",
    )
    low: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0, description="the lowest frequency, in Hz"
    )
    high: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="the highest; left out: half of `rate`"
    )
    scale: Literal["htk", "slaney"] = Field(
        default="htk", description="htk: torchaudio's default; slaney: librosa's"
    )
    area: bool = Field(
        default=False, description="true: bands of one area, `norm='slaney'`, librosa's default"
    )
    center: bool = Field(
        default=True,
        description="the ends are mirrored by half a frame, as both do; false: whole frames alone",
    )
    power: Annotated[float, Field(gt=0, le=4)] = Field(default=2, description="of the magnitude: 2 or 1")
    log: Literal["natural", "ten", "decibel"] = Field(
        default="natural", description="ten: log10; decibel: 10 log10"
    )
    floor: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=1e-10, description="log(max(x, floor) + offset)"
    )
    offset: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0, description="as in log(x + 1e-6)"
    )

    @model_validator(mode="after")
    def _fits(self) -> Logmel:
        if self.fft is not None and self.fft < self.window:
            raise ValueError(f"the fft of {self.fft} is smaller than the window of {self.window} samples")
        high = self.high or self.rate / 2
        if not self.low < high <= self.rate / 2:
            raise ValueError(f"from {self.low:g} to {high:g} Hz: of {self.rate} a second half can be heard")
        if self.floor + self.offset == 0:
            raise ValueError("silence has no logarithm: give `floor` or `offset`")
        return self


class Softmax(Model):
    """Over the last axis."""

    output: OutputName | None = Field(default=None, description=_OUTPUT)


class Sigmoid(Model):
    """``1 / (1 + exp(-x))`` of each number."""

    output: OutputName | None = Field(default=None, description=_OUTPUT)


class Topk(Model):
    """Sets ``class``, ``score`` and ``name`` of the best, and ``top``: class, score, class, score …"""

    k: Annotated[int, Field(ge=1, le=10000)] = Field(default=1, description="how many are in `top`")
    labels: Labels = Field(default=[], description=f"{_LABELS}; then also `names`, beside `top`")
    output: OutputName | None = Field(default=None, description=_OUTPUT)


class Yolo(Model):
    """Boxes of a YOLO detector, in pixels of the picture as it came; sets ``count`` and ``boxes``.

    With `strides` the outputs are raw heads, else one map that the model has decoded itself.
    """

    family: Literal["v5", "v8"] = Field(description="v5: with objectness (v5, v7); v8: without (v8, v9, v11)")
    strides: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(max_length=8)] = Field(
        default=[], description="of raw heads, one each, in pixels of the model's input: `[8, 16, 32]`"
    )
    anchors: Annotated[
        list[Annotated[list[Annotated[float, Field(gt=0, le=16384)]], Field(min_length=2, max_length=32)]],
        Field(max_length=8),
    ] = Field(
        default=[], description="of v5's raw heads: a list for each stride, width, height, width, height …"
    )
    outputs: Annotated[list[OutputName], Field(max_length=8)] = Field(
        default=[], description="ONNX names, in the order of `strides`; left out: the first ones of the model"
    )
    labels: Labels = Field(default=[], description=f"{_LABELS}; then also `names`, beside `boxes`")
    score: Share = Field(default=0.25, description="a box with less is left out")
    overlap: Share = Field(
        default=0.45,
        description="what overlaps a better one by more is left out (intersection over union)",
    )
    per_class: bool = Field(default=True, description="false: whatever the better one's class is")
    most: Annotated[int, Field(ge=1, le=10000)] = Field(default=300, description="boxes of a picture")

    @model_validator(mode="after")
    def _fits(self) -> Yolo:
        heads = len(self.strides)
        if self.family == "v8" and self.anchors:
            raise ValueError("v8 has no anchors")
        if self.family == "v5" and len(self.anchors) != heads:
            raise ValueError(f"{heads} strides and {len(self.anchors)} lists of anchors: one a stride")
        if any(len(row) % 2 for row in self.anchors):
            raise ValueError("anchors are pairs, width and height: a list has an odd count of numbers")
        if self.outputs and len(self.outputs) != max(heads, 1):
            raise ValueError(f"{len(self.outputs)} outputs, and {max(heads, 1)} are decoded")
        return self


class Threshold(Model):
    """Leaves out what has a lower score."""

    score: Share = Field(description="the least that stays")


class Pick(Model):
    """Sets ``class``, ``name``, ``score``, ``left``, ``top``, ``right``, ``bottom`` of one box of `yolo`.

    Where there is none ``class`` is -1, ``name`` is `nothing`, and the rest 0.
    """

    by: Literal["score", "area"] = Field(default="score", description="the one with the most of it")


class Ctc(Model):
    """Sets ``text``: the best class of each step, repeats and blanks left out; and ``score``, their mean."""

    alphabet: Annotated[str, matching(r"[^\x00]{1,50000}", "this is 1 to 50000 characters")] = Field(
        description="the characters, in the order of the classes, without the blank"
    )
    blank: Annotated[int, Field(ge=0, le=50000)] = Field(default=0, description="the blank's class")
    output: OutputName | None = Field(default=None, description=f"{_OUTPUT}; (steps, classes)")

    @model_validator(mode="after")
    def _fits(self) -> Ctc:
        if self.blank > len(self.alphabet):
            raise ValueError(f"{len(self.alphabet)} characters and a blank: its class is at most that number")
        return self


class Track(Model):
    """Sets ``tracks``: a number for each box of `yolo`, the same from picture to picture."""

    overlap: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.3, description="with the box before, of the same class, at least (intersection over union)"
    )
    patience: Annotated[int, Field(ge=0, le=100000)] = Field(
        default=30, description="pictures without it, until it is forgotten"
    )


class _Block(Model):
    code: InsidePath | None = Field(default=None, description="your own C++ file")
    entry: Entry | None = Field(default=None, description="the function in it")

    @model_validator(mode="after")
    def _one_kind(self) -> _Block:
        kinds = [name for name in type(self).model_fields if name != "entry"]
        named = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(named) != 1:
            raise ValueError(f"a block is exactly one of: {', '.join(kinds)}")
        if (self.code is None) != (self.entry is None):
            raise ValueError("`code` (your file) and `entry` (the function in it) go together")
        return self

    @property
    def kind(self) -> str:
        """Which one it is: ``resize``, ``yolo``, ``code`` …"""
        return next(k for k in type(self).model_fields if k != "entry" and getattr(self, k) is not None)


class PreBlock(_Block):
    """One step from the raw input to the model's input tensor."""

    resize: Resize | None = None
    letterbox: Letterbox | None = None
    crop: Crop | None = None
    color: Color | None = None
    normalize: Normalize | None = None
    layout: Layout | None = None
    logmel: Logmel | None = None


class PostBlock(_Block):
    """One step from the model's output tensors to the record that the sink gets."""

    softmax: Softmax | None = None
    sigmoid: Sigmoid | None = None
    topk: Topk | None = None
    yolo: Yolo | None = None
    threshold: Threshold | None = None
    pick: Pick | None = None
    ctc: Ctc | None = None
    track: Track | None = None
    zone: Zone | None = None
    line: Line | None = None
    dwell: Dwell | None = None
    count: Count | None = None
    schedule: Schedule | None = None
    debounce: Debounce | None = None
    alarm: Alarm | None = None
    each: Each | None = None


class Member(Model):
    """A model beside the first one, asked by `each`."""

    file: InsidePath = Field(description="the trained model: ONNX, or what `edgepack recipes` leads from")
    golden: InsidePath | None = Field(
        default=None, description="recorded inputs and its outputs (.npz): it is proven alone, on this host"
    )
    pre: list[PreBlock] = Field(default=[], description="steps from a part of the picture to its input")
    post: list[PostBlock] = Field(default=[], description="steps from its outputs to a record, for one box")


def _kinds(block: type[_Block]) -> Mapping[str, type[Model]]:
    own = {name: field for name, field in block.model_fields.items() if name not in _Block.model_fields}
    return {name: get_args(field.annotation)[0] for name, field in own.items()}


KINDS: Mapping[str, Mapping[str, type[Model]]] = {"pre": _kinds(PreBlock), "post": _kinds(PostBlock)}
"""The blocks of each section but ``code``, by the key that names them."""

_OF_BOXES = ("threshold", "pick", "track")


def takes_sound(pre: Sequence[PreBlock]) -> bool | None:
    """Whether `pre` takes sound, or pictures; None where the user's own code takes what it likes."""
    kinds = {block.kind for block in pre}
    if "logmel" in kinds:
        return True
    return None if kinds <= {"code"} else False


def misplaced(pre: Sequence[PreBlock], post: Sequence[PostBlock]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Where a block can do nothing right for what stands before it: its place in the manifest, and why."""
    after = ""
    kinds = [block.kind for block in pre]
    for index, first in enumerate(pre):
        if "logmel" in kinds and first.kind not in ("logmel", "code"):
            yield ("pre", index), f"`{first.kind}` takes a picture, and `logmel` sound: one of both"
        elif first.kind == "logmel" and "logmel" in kinds[:index]:
            yield ("pre", index), "a second `logmel` finds no sound"
        if after and first.kind != "code":
            yield ("pre", index), f"`{first.kind}` takes channels first: `layout: {{order: nhwc}}` comes last"
        if first.layout is not None and first.layout.order == "nhwc":
            after = "layout"
    seen: set[str] = set()
    for index, then in enumerate(post):
        if then.kind in _OF_BOXES and not seen & {"yolo", "code"}:
            yield (
                ("post", index),
                f"`{then.kind}` works on boxes: `yolo` comes before it, or code",
            )
        if then.kind == "yolo" and "yolo" in seen:
            yield ("post", index), "a second `yolo` would leave nothing of what the first one found"
        seen.add(then.kind)
    rules = [(block.kind, getattr(block, block.kind) if block.kind != "code" else None) for block in post]
    for index, words in wrong_rules(rules):
        yield ("post", index), words
