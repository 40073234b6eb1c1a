"""``recipes/<id>/``: one way from one model format to another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from edgepack import document
from edgepack.catalog import paths
from edgepack.errors import InputError
from edgepack.manifest.words import Model, Name


class Precision(Model):
    """One precision that the tool can write, and where that is said."""

    name: Literal["fp32", "fp16"] = Field(description="of the weights as they are stored")
    source: str = Field(min_length=4, description="where it is said, or how it was measured")


class Opsets(Model):
    """ONNX opset versions that the recipe accepts, both included."""

    min: int = Field(description="the lowest that converts")
    max: int = Field(description="the highest that converts")
    source: str = Field(min_length=4, description="where it is said, or how it was measured")


class KnownError(Model):
    """A converter's own words, and what to do about them."""

    match: str = Field(description="a regular expression on the tool's output")
    why: str = Field(description="the likely cause, as the user is told")
    fix: str = Field(description="what to do about it, as the user is told")


class LoadsOn(Model):
    """Which on-device runtimes load what the recipe writes."""

    runtime: Name = Field(description="what executes the model on the box")
    versions: str = Field(description="a range, like `>=1.0.20261020`")
    source: str = Field(min_length=4, description="where it is said, or how it was measured")


class RecipeFile(Model):
    """``recipe.yaml``."""

    summary: str = Field(description="one sentence")
    from_: Name = Field(alias="from", description="the format that goes in")
    to: Name = Field(description="the format that comes out")
    run: Literal["python"] = Field(
        default="python", description="python: `convert.py`, in an environment made from `requirements.txt`"
    )
    python: str = Field(description="the Python version of its environment")
    tool: str = Field(description="the converter's name and version, for people")
    precisions: list[Precision] = Field(
        min_length=1, description="what the tool can write, each with a source"
    )
    opsets: Opsets | None = None
    loads_on: LoadsOn | None = None
    reproducible: bool = Field(description="the same input gives the same bytes")
    timeout_s: int = Field(default=900, description="seconds after which the converter is ended")
    memory_mb: int = Field(default=8192, description="address space that it may take, in MiB")
    errors: list[KnownError] = Field(
        default=[], description="known messages of the tool, the first that fits counts"
    )


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

    def digest(self) -> str:
        """sha256 over the files that decide what it writes: its programs, its lock, its description."""
        digest = hashlib.sha256()
        named = [self.folder / "requirements.txt", self.folder / "recipe.yaml"]
        for file in sorted([*self.folder.rglob("*.py"), *named]):
            name = file.relative_to(self.folder).as_posix()
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()


def load_all(project: Path | None) -> dict[str, Recipe]:
    """All recipes by id: the project's own win over the user's, and those over the shipped ones."""
    found: dict[str, Recipe] = {}
    for folder in paths.layers("recipes", project):
        for file in sorted(folder.glob("*/recipe.yaml")):
            if file.parent.name not in found:
                shown = f"recipes/{file.parent.name}/recipe.yaml"
                about = document.load(RecipeFile, document.read(file, shown))
                found[file.parent.name] = Recipe(file.parent.name, file.parent, about)
    return dict(sorted(found.items()))


def between(recipes: dict[str, Recipe], source: str, to: str) -> Recipe:
    """The recipe from one format to another. Raises InputError naming what there is."""
    for recipe in recipes.values():
        if (recipe.about.from_, recipe.about.to) == (source, to):
            return recipe
    ways = ", ".join(f"{r.about.from_} → {r.about.to}" for r in recipes.values())
    raise InputError(f"there is no recipe from {source} to {to}", why=f"there are: {ways}")
