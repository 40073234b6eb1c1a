"""A vendor's program in ``recipe.yaml``: where it is found, and what it is started with.

All texts called templates are Jinja2 with what docs/design/recipes.md lists; an unknown name in one is an
error. The argv is data: ``edgepack.convert.sdk`` renders it, and nothing is ever handed to a shell.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgepack.manifest.words import InsidePath, Model, matching

SdkKey = Annotated[
    str,
    matching(
        r"sdk\.[a-z0-9]([a-z0-9-]{0,29}[a-z0-9])?",
        "an SDK's key is `sdk.` and lower-case letters, digits, hyphens",
    ),
]
Layout = Literal["NCHW", "NHWC"]
_SOURCE = "the vendor's document that says so: its title or address"


class CalibrationFiles(Model):
    """How calibration samples are written for a toolkit, a folder an input, a file a sample."""

    layout: Layout = Field(default="NCHW", description="of inputs with four axes")
    batch: bool = Field(default=True, description="a sample has the leading axis of 1")
    files: list[Literal["npy", "bin", "txt", "stack"]] = Field(
        default=["npy"],
        description="npy; bin: raw float32; txt: a value a line; stack: one .npy an input, (N, …)",
    )
    source: str = Field(min_length=4, description=_SOURCE)


class BoxTensors(Model):
    """What the converted model wants fed on the box, where the toolkit changes that."""

    layout: Layout = Field(default="NCHW", description="of inputs with four axes")
    dtype: Literal["float32", "float16", "uint8", "int8"] = Field(
        default="float32", description="of the inputs"
    )
    source: str = Field(min_length=4, description=_SOURCE)


class Refusal(Model):
    """What the toolkit cannot do, known before it is started."""

    when: str = Field(description="an expression, as in `when` of an argument")
    what: str = Field(description="the sentence that the user reads")
    why: str = Field(default="", description="the cause")
    fix: str = Field(description="what to do about it")
    source: str = Field(min_length=4, description=_SOURCE)


class Fact(Model):
    """What a converted model depends on besides what goes in: a version or a device, asked of a machine."""

    name: str = Field(pattern=r"[A-Za-z][A-Za-z0-9 ]*", description="as it is told: `TensorRT`, `GPU`")
    program: str = Field(default="", description="one of the toolkit's or on PATH; it must end with 0")
    args: list[str] = Field(default=[], description="of the program")
    file: str = Field(default="", description="instead of a program: a file of the machine's")
    match: str = Field(default=".+", description="a regular expression: the parts of what is said that count")
    device: bool = Field(
        default=False, description="it names the device; one of those must answer where a model is made"
    )
    source: str = Field(min_length=4, description=_SOURCE)

    @model_validator(mode="after")
    def _one(self) -> Fact:
        if bool(self.program) == bool(self.file):
            raise ValueError("a fact is asked of a `program` or read from a `file`")
        return self


class Sdk(Model):
    """A vendor's toolkit: what it is, where people get it, and how it is recognised on this host."""

    key: SdkKey = Field(description="the setting that points to its folder: `sdk.cann`")
    name: str = Field(description="as the vendor calls it")
    versions: str = Field(default="", description="those that this recipe is written for")
    from_: str = Field(alias="from", description="where the user gets it, a page or a form")
    finds: list[InsidePath] = Field(
        min_length=1,
        description="its programs below the key's folder; of two with one name, the first that is there",
    )
    marks: list[InsidePath] = Field(
        default=[], description="files by which its folder is known; with them, the key must be set"
    )
    on_path: bool = Field(default=True, description="what is not below the key's folder may be on PATH")
    box: list[str] = Field(default=[], description="run: box: where its programs lie on a box, besides PATH")
    facts: list[Fact] = Field(
        default=[], description="run: box: what its results depend on: versions, and the device itself"
    )
    env: dict[str, str] = Field(default={}, description="variables that its programs need, templates")
    path: list[str] = Field(default=[], description="folders put before PATH, templates")
    user_env: list[str] = Field(
        default=[], description="variables of the user's that its programs see, as licences need"
    )
    calibration: CalibrationFiles | None = Field(default=None, description="left out: NCHW, .npy")
    inputs: BoxTensors | None = Field(default=None, description="left out: NCHW, float32")
    refuses: list[Refusal] = Field(default=[], description="asked before anything is started")
    source: str = Field(min_length=4, description=_SOURCE)

    @property
    def name_in_key(self) -> str:
        """``cann`` of ``sdk.cann``: what the key is called under `sdk:` in a file."""
        return self.key.removeprefix("sdk.")

    @property
    def variable(self) -> str:
        """The environment variable that says the same."""
        return "EDGEPACK_SDK_" + self.name_in_key.upper().replace("-", "_")


class Argument(Model):
    """One argument of a program, or several words that belong together."""

    arg: str | list[str] = Field(description="templates; a word each")
    when: str = Field(default="", description="an expression; the argument is left out where it is false")
    each: str = Field(default="", description="an expression: a list; the argument once for each `item`")
    if_help: str = Field(
        default="",
        description="only for a program whose `--help` says this, or, after a `!`, does not: versions differ",
    )
    source: str = Field(min_length=4, description=_SOURCE)

    @property
    def words(self) -> list[str]:
        """The templates, in order."""
        return [self.arg] if isinstance(self.arg, str) else self.arg


class SdkStep(Model):
    """One program of the toolkit, started once."""

    program: str = Field(
        description="one of `finds` by its file name; `python`: the `python3` or `python` among them, or "
        "edgepack's own where there is none"
    )
    script: InsidePath | None = Field(
        default=None, description="a Python file in the recipe's folder, its first argument"
    )
    when: str = Field(default="", description="an expression; the step is left out where it is false")
    args: list[Argument] = Field(default=[], description="in order")
    env: dict[str, str] = Field(default={}, description="variables for this step alone, templates")
    renders: dict[InsidePath, InsidePath] = Field(
        default={},
        description="written to the work folder before: name → template beside recipe.yaml",
    )
    makes: list[str] = Field(
        default=[], description="what must be there and not empty afterwards: templates, relative to `out`"
    )
    leaves: list[str] = Field(
        default=[], description="what a later step needs: full paths, templates; there and not empty"
    )
    keeps: dict[InsidePath, str] = Field(
        default={},
        description="a file in a release's model/ → where the step leaves it (template, may have `*`)",
    )
    fails_on: list[str] = Field(
        default=[], description="regular expressions on its output that mean failure, whatever its exit code"
    )
    says: list[str] = Field(
        default=[], description="regular expressions that its output must have where it did succeed"
    )
    timeout_s: int | None = Field(default=None, gt=0, description="where it needs another than the recipe's")

    @model_validator(mode="after")
    def _whole(self) -> SdkStep:
        if self.script is not None and self.program != "python":
            raise ValueError("a `script` is for `program: python`")
        for pattern in (*self.fails_on, *self.says):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        for made in self.makes:
            if PurePosixPath(made).is_absolute() or ".." in PurePosixPath(made).parts:
                raise ValueError("`makes` is relative to the folder of results; others go to `keeps`")
        return self
