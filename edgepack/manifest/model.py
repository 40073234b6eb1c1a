"""The manifest's `model:`, and what a target may ask of its conversion."""

from __future__ import annotations

import difflib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from edgepack.manifest.words import (
    AbsolutePath,
    InsidePath,
    Model,
    Name,
    NodeName,
    PrecisionName,
    TargetId,
    matching,
)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=1)]
Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Function = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="the name of a Python function")
]


class PythonCode(Model):
    """A Python function of the user's; it runs in the environment of `recipes/onnx`, which has NumPy."""

    code: InsidePath = Field(description="your own Python file")
    entry: Function = Field(description="the function in it")


class Accuracy(Model):
    """The task's metric on held-out data."""

    metric: Literal["top1", "map50"] | PythonCode = Field(
        default="top1",
        description="top1: the record's `class` is the label, image by image; map50: its `boxes` are those "
        "of boxes.csv, mean average precision at an overlap of one half; or a function of yours, "
        "`(records, labels) -> float`, more is better",
    )
    data: InsidePath = Field(description="a folder with labels.csv: file,label,reference")
    max_drop: Part = Field(
        default=0.01, description="how much worse than the trained model the box may be, 0..1"
    )


class Calibration(Model):
    """Inputs as the box will see them, from which int8 takes its ranges."""

    data: InsidePath | None = Field(
        default=None,
        description="a folder of images or WAV files, or an .npz or .npy of raw inputs (N, H, W[, C]); "
        "of sound float32, (N, samples) or (N, channels, samples)",
    )
    loader: PythonCode | None = Field(
        default=None,
        description="or a function that yields raw inputs, uint8 (H, W[, C]); of sound float32, "
        "(samples) or (channels, samples)",
    )
    samples: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=128, description="how many of them are used, evenly spread"
    )

    @model_validator(mode="after")
    def _one(self) -> Calibration:
        if (self.data is None) == (self.loader is None):
            raise ValueError("calibration has exactly one of `data` and `loader`")
        return self


class Prune(Model):
    """Magnitude pruning: each layer's smallest weights become zero, before it is quantised."""

    magnitude: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="the part of each layer's weights that becomes zero, 0..1"
    )


class Split(Model):
    """One model in two parts for two kinds of box, cut at a tensor."""

    at: str = Field(min_length=1, description="the ONNX tensor that the first part gives to the second")
    before: list[TargetId] = Field(min_length=1, description="targets that get the first part")
    after: list[TargetId] = Field(min_length=1, description="targets that get the second part")


class ModelSection(Model):
    """The trained model and the proof of what it computes."""

    file: InsidePath = Field(description="the trained model: ONNX, or what `edgepack recipes` leads from")
    weights: InsidePath | None = Field(
        default=None, description="its second file, where the format has one (Caffe, Darknet, MXNet, Paddle)"
    )
    format: Name | None = Field(default=None, description="where the file's name does not tell")
    shapes: dict[str, Annotated[list[Size], Field(min_length=1, max_length=8)]] = Field(
        default={},
        description="inputs whose shape the file leaves open, as it has them: `image: [1, 3, 224, 224]`",
    )
    golden: InsidePath | None = Field(
        default=None, description="recorded inputs and the trained model's outputs (.npz)"
    )
    accuracy: Accuracy | None = None
    calibration: Calibration | None = None
    prune: Prune | None = None
    simplify: bool = Field(default=False, description="simplify the graph before it is converted")
    opset: Annotated[int, Field(ge=7, le=26)] | None = Field(
        default=None, description="bring the graph to this ONNX opset before it is converted"
    )
    split: Split | None = None


class Quantisation(Model):
    """How weights and activations become integers; what is left out is the converter's own choice."""

    scheme: Literal["symmetric", "asymmetric"] | None = Field(
        default=None, description="asymmetric has a zero point"
    )
    granularity: Literal["per-tensor", "per-channel"] | None = Field(
        default=None, description="of the weights' scales"
    )
    method: Name | None = Field(
        default=None,
        description="how ranges are found, as the recipe has it: `minmax`, `kl` …",
    )
    keep: list[str] = Field(default=[], description="ONNX nodes that stay in floating point")
    search: Annotated[int, Field(ge=0, le=64)] = Field(
        default=8,
        description="where a gate fails: how many of the most sensitive layers may be kept in floating point",
    )


class Parity(Model):
    """Gates on the distance to the golden vectors; what is left out follows the precision."""

    cosine: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="the least for every sample; left out: 0.9999 for fp32, 0.999 for fp16, 0.99 for 8 bits",
    )
    max_abs: Positive | None = Field(
        default=None,
        description=(
            "largest difference, as a part of the tensor's largest value or of 1; "
            "left out: 0.001 for fp32, 0.02 for fp16, 1 for 8 bits"
        ),
    )
    records: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description=(
            "the least part of the samples for which each field of the record agrees; left out: 1, "
            "for 8 bits 0.5, where a number may be a tenth off and agrees"
        ),
    )


class GccByPath(Model):
    """A vendor's compiler where it lies on this machine."""

    gcc: Annotated[
        AbsolutePath,
        matching(r".*/[^/]*gcc(-\d[\d.]*)?", "this must be a C compiler named `…gcc` or `…gcc-12`"),
    ] = Field(
        description="the C compiler (`/opt/linaro/bin/aarch64-linux-gnu-gcc`), gcc 8 or newer; g++, ar and "
        "ranlib lie beside it under the same prefix"
    )
    sysroot: AbsolutePath | None = Field(
        default=None,
        description="headers and libraries of the target (the folder with its `usr/`), where CMake looks for "
        "libraries too; left out: the compiler's own",
    )
    licences: AbsolutePath | None = Field(
        default=None,
        description="a folder with `gcc.txt` and `glibc.txt`, the licences of what is linked; left out: "
        "those of packages in the sysroot, or below the compiler's `share/doc`",
    )


_Compiler = Annotated[
    str,
    matching(
        r"(/?[A-Za-z0-9._+-]+/)*[A-Za-z0-9._+-]*gcc(-\d[\d.]*)?",
        "this must be a C compiler named `…gcc` or `…gcc-12`",
    ),
]
_Licences = Annotated[
    AbsolutePath | None,
    Field(
        description="a folder with `gcc.txt` and `glibc.txt`, the licences of what is linked; left out: "
        "those of Debian's packages, where the compiler is"
    ),
]


class GccInContainer(Model):
    """A gcc in an image of docker or podman, called there."""

    container: Annotated[
        str,
        matching(
            r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}",
            "this must be an image, like `vendor/sdk:1.2` or `sha256:…`",
        ),
    ] = Field(
        description="an image that docker or podman has here (`vendor/sdk:1.2`); nothing is pulled. Sources "
        "are mounted read-only, there is no network"
    )
    gcc: _Compiler | None = Field(
        default=None,
        description="the C compiler in it; left out: the image's `CC`, else Debian's name for the target's, "
        "else `gcc`. g++, ar and ranlib lie beside it under the same prefix",
    )
    licences: _Licences = None


class GccOnNode(Model):
    """The gcc of a box, called there over SSH."""

    node: NodeName = Field(
        description="a box of `fleet.yaml` that has gcc: sources go there into a temporary folder and what "
        "is compiled comes back. What its gcc is lies in toolchain.lock.json"
    )
    gcc: _Compiler | None = Field(
        default=None,
        description="the C compiler on it; left out: Debian's name for the target's, else `gcc`",
    )
    licences: _Licences = None


def _kind_of_toolchain(value: object) -> str:
    """Which of them is meant, so that errors are about that one."""
    if isinstance(value, str) or not isinstance(value, (dict, Model)):
        return "word"
    keys = list(value) if isinstance(value, dict) else list(type(value).model_fields)
    for kind, tag in (("container", "an image's"), ("node", "a node's")):
        if difflib.get_close_matches(kind, keys, 1, 0.8):
            return tag
    return "path"


Toolchain = Annotated[
    Annotated[Literal["zig", "gcc"], Tag("word")]
    | Annotated[GccByPath, Tag("path")]
    | Annotated[GccInContainer, Tag("an image's")]
    | Annotated[GccOnNode, Tag("a node's")],
    Discriminator(_kind_of_toolchain),
]


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """What a recipe gets as JSON."""
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("options have text, finite numbers, true and false, lists and mappings") from None
    return options


class TargetOptions(Model):
    """What this project wants on one target; empty means the target's own preference."""

    precision: PrecisionName | None = Field(
        default=None, description="of the converted model; left out: the target's own"
    )
    quantisation: Quantisation = Quantisation()
    parity: Parity | None = Field(
        default=None, description="gates for this target; left out: those of the whole project"
    )
    options: Annotated[dict[str, Any], AfterValidator(_plain)] = Field(
        default={}, description="what the converter takes besides, as `edgepack recipes ID` names it"
    )
    runtime: Name | None = Field(
        default=None, description="what executes the model; left out: the first that the target has"
    )
    toolchain: Toolchain | None = Field(
        default=None,
        description="left out: zig, which edgepack brings along; gcc is the host's own (cross) compiler; "
        "a vendor's by path: `{gcc: PATH, sysroot: PATH}`; one in an image: `{container: IMAGE}`; a box's "
        "own: `{node: NAME}`",
    )
    threads: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="threads that the model is computed with"
    )
    converts_on: Literal["box", "here"] = Field(
        default="box",
        description="of a model that only the device itself can make (TensorRT): box, while a release is "
        "staged; here, where this host has the target's device",
    )
