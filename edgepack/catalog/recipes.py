"""``recipes/<id>/``: one way from one model format to another. The contract: docs/design/recipes.md."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edgepack import document
from edgepack.catalog import paths
from edgepack.catalog.sdk import Sdk, SdkStep
from edgepack.catalog.words import BY_CONTRACT
from edgepack.errors import InputError
from edgepack.manifest.words import Model, Name, PrecisionName

_SOURCE = "where it is said, or how it was measured"
Scheme = Literal["symmetric", "asymmetric"]
Granularity = Literal["per-tensor", "per-channel"]


class Precision(Model):
    """One precision that the tool can write, and where that is said."""

    name: PrecisionName = Field(description="of the converted model")
    source: str = Field(min_length=4, description=_SOURCE)
    chips: list[str] = Field(default=[], description="the targets' chips that have it; left out: all")
    calibration: bool = Field(default=False, description="it needs calibration data")
    mixed: bool = Field(default=False, description="single layers can stay in floating point")
    schemes: list[Scheme] = Field(default=[], description="the first is the tool's own default")
    granularities: list[Granularity] = Field(default=[], description="the first is the tool's own default")
    methods: list[Name] = Field(
        default=[], description="how ranges are found from calibration data; the first is the default"
    )


class Opsets(Model):
    """ONNX opset versions that the recipe accepts, both included."""

    min: int = Field(description="the lowest that converts")
    max: int = Field(description="the highest that converts")
    source: str = Field(min_length=4, description=_SOURCE)


class KnownError(Model):
    """A converter's own words, and what to do about them."""

    match: str = Field(description="a regular expression on the tool's output")
    why: str = Field(description="the likely cause, as the user is told")
    fix: str = Field(description="what to do about it, as the user is told")


class Lack(Model):
    """An ONNX operator that the toolkit has not, told by `edgepack check` before anything is converted."""

    operator: str = Field(description="the ONNX operator")
    when: dict[str, str | int] = Field(
        default={},
        description="only nodes with these attributes, ONNX's defaults too; `rank`: of the first input",
    )
    source: str = Field(min_length=4, description=_SOURCE)
    fix: str = Field(description="what to do about it, as the user is told")


class Knows(Model):
    """ONNX operators that were looked at; one that is neither here nor in `lacks` is told as not known."""

    operators: list[str] = Field(min_length=1, description="ONNX operators that the toolkit is known to have")
    complete: bool = Field(
        default=False, description="the maker's list, so that the toolkit has no other; else what was tried"
    )
    source: str = Field(min_length=4, description=_SOURCE)


class LoadsOn(Model):
    """Which on-device runtimes load what the recipe writes."""

    runtime: Name = Field(description="what executes the model on the box")
    versions: str = Field(description="a range, like `>=1.0.20261020`")
    source: str = Field(min_length=4, description=_SOURCE)


class Simulator(Model):
    """What ``run.py`` computes the converted model with, on the building host."""

    name: str = Field(description="as in: verified on emulator or simulator (NAME)")
    kind: Literal["simulator", "runtime", "device"] = Field(
        alias="is",
        description="simulator: of the chip; runtime: the tool's own, on this host's processor; device: the "
        "target's own, which this host has",
    )
    samples: int = Field(default=64, gt=0, description="golden vectors that it can do in about a minute")
    taps: bool = Field(default=False, description="it can give intermediate tensors by their ONNX names")


class Need(Model):
    """A program that the recipe starts and does not bring along."""

    program: Name = Field(description="looked for on PATH")
    version: str = Field(default="", description="as people say it")
    fix: str = Field(description="where it comes from, as the user is told")


class Gate(Model):
    """The least cosine for one precision, where this tool needs another than the default."""

    cosine: float = Field(gt=0, le=1, description="per output and sample")
    max_abs: float | None = Field(default=None, gt=0, description="relative to max(1, |reference|max)")
    source: str = Field(min_length=4, description=_SOURCE)


class RecipeFile(Model):
    """``recipe.yaml``."""

    summary: str = Field(description="one sentence")
    from_: Name = Field(alias="from", description="the format that goes in")
    suffixes: list[str] = Field(
        default=[], description="how a trained model in that format is named: `.onnx`, `*/saved_model.pb`"
    )
    weights: list[str] = Field(default=[], description="suffixes of a second file that belongs to it")
    to: Name = Field(description="the format that comes out")
    run: Literal["python", "sdk", "box"] = Field(
        default="python",
        description="python: `convert.py`, in an environment made from `requirements.txt`; sdk: a vendor's "
        "program on this host; box: a program on the node, while a release is staged",
    )
    python: str = Field(default="3.11", description="the Python version of its environment")
    tool: str = Field(description="the converter's name and version, for people")
    installed_mb: int | None = Field(default=None, description="what its environment takes on disk")
    chips: dict[str, str] = Field(
        default={}, description="a target's `chip` → what the tool calls it; left out: any chip"
    )
    per_arch: bool = Field(
        default=False, description="what it writes depends on the target's architecture (`options.arch`)"
    )
    precisions: list[Precision] = Field(
        min_length=1, description="what the tool can write, each with a source"
    )
    opsets: Opsets | None = None
    lacks: list[Lack] = Field(default=[], description="operators that the toolkit is known not to have")
    knows: Knows | None = Field(
        default=None, description="operators that it has; left out: nobody knows here"
    )
    loads_on: LoadsOn | None = None
    simulator: Simulator | None = None
    here: Simulator | None = Field(
        default=None,
        description="run: box: what `run.py` computes the model with where a target says `converts_on: here`",
    )
    needs: list[Need] = Field(default=[], description="programs beyond its packages")
    sdk: Sdk | None = None
    steps: list[SdkStep] = Field(default=[], description="run: sdk and box: the programs, in order")
    reproducible: bool = Field(description="the same input gives the same bytes")
    timeout_s: int = Field(default=900, description="seconds after which the converter is ended")
    memory_mb: int = Field(default=8192, description="address space that it may take, in MiB")
    gates: dict[PrecisionName, Gate] = Field(default={}, description="parity, where the defaults do not fit")
    errors: list[KnownError] = Field(
        default=[], description="known messages of the tool, the first that fits counts"
    )

    @model_validator(mode="after")
    def _whole(self) -> RecipeFile:
        if (self.run == "python") != (not self.steps):
            raise ValueError("`steps` are for run: sdk and run: box, and those need some")
        if self.here is not None and self.run != "box":
            raise ValueError("`here` is for run: box; another recipe has a `simulator`")
        if self.run != "python" and self.sdk is None:
            raise ValueError(f"run: {self.run} needs `sdk:`, which says where the vendor's program is found")
        return self


@dataclass(frozen=True)
class Recipe:
    """A recipe by its id and folder."""

    id: str
    folder: Path
    about: RecipeFile

    @property
    def lock(self) -> Path:
        """The hash-pinned requirements of its environment."""
        return self.folder / "requirements.txt"

    @property
    def gives_back(self) -> str:
        """How far its results can be shown on this host, in words."""
        return self.about.simulator.name if self.about.simulator else BY_CONTRACT

    def on_device(self) -> Recipe:
        """The same for a host that has the target's device itself: a vendor's program, run here."""
        assert self.about.run == "box", self.id
        about = self.about.model_copy(update={"run": "sdk", "simulator": self.about.here, "here": None})
        return replace(self, about=about)

    def precision(self, name: str, chip: str | None = None) -> Precision | None:
        """What it says of a precision on a chip: it may differ between chips."""
        said = [p for p in self.about.precisions if p.name == name]
        return next((p for p in said if chip in p.chips), next((p for p in said if not p.chips), None))

    def chip(self, chip: str | None) -> str | None:
        """What the tool calls a target's chip; None where it does not ask for one."""
        return self.about.chips.get(chip or "")

    def precisions_for(self, chip: str | None) -> list[str]:
        """The precisions that it can write for a chip."""
        return list(dict.fromkeys(p.name for p in self.about.precisions if not p.chips or chip in p.chips))

    def digest(self) -> str:
        """sha256 over the files that decide what it writes: all of its folder, and the kit's."""
        digest = hashlib.sha256()
        for base in (self.folder, kit()):
            for file in sorted(p for p in base.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
                name = file.relative_to(base).as_posix()
                if file.suffix not in {".md", ".in", ".pyc"}:
                    digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()


def kit() -> Path:
    """The folder that recipes' programs lean on."""
    return paths.data("recipes/kit")


def load_all(project: Path | None) -> dict[str, Recipe]:
    """All recipes by id: the project's own win over the user's, and those over the shipped ones.

    Raises InputError, once for all that cannot be read.
    """
    found: dict[str, Recipe] = {}
    wrong: dict[Path, InputError] = {}
    for folder in paths.layers("recipes", project):
        for file in sorted(folder.glob("*/recipe.yaml")):
            name = file.parent.name
            if name not in found and name not in {other.parent.name for other in wrong}:
                try:
                    about = document.load(RecipeFile, document.read(file, f"recipes/{name}/recipe.yaml"))
                except InputError as error:
                    wrong[file] = error
                else:
                    found[name] = Recipe(name, file.parent, about)
    if wrong:
        raise _broken(wrong)
    return dict(sorted(found.items()))


def _broken(wrong: Mapping[Path, InputError]) -> InputError:
    """One error for all recipes that cannot be read: which folders they are in, and each of their lines."""
    names = ", ".join(file.parent.name for file in wrong)
    count = "a recipe" if len(wrong) == 1 else f"{len(wrong)} recipes"
    return InputError(
        f"{count} cannot be read: {names}",
        where=", ".join(str(file) for file in wrong),
        why="; ".join(error.what for error in wrong.values()),
        fix=f"correct what is named, or take it away: {', '.join(str(file.parent) for file in wrong)}",
        problems=tuple(problem for error in wrong.values() for problem in error.problems),
    )
