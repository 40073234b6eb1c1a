"""What a build looked at, as paths: so that the next one can see by stat alone that nothing changed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.pipeline import BuildReport


def remember(args: argparse.Namespace, report: BuildReport, said: str, since_ns: int) -> None:
    """Let the same command line answer from stats, as long as all of these are as they were."""
    from edgepack.catalog.vendor_runtimes import VENDORS
    from edgepack.cli import quick

    if any(choice.options.converts_on == "here" for choice in report.plan.choices.values()):
        return  # a driver, or another GPU, is no file that could be looked at
    if any(choice.runtime in VENDORS for choice in report.plan.choices.values()):
        return  # headers lie elsewhere, and a variable may name them
    if any(choice.toolchain != "zig" for choice in report.plan.choices.values()):
        return  # a compiler of this host's, an image's or a node's is not among these files
    folder = report.plan.project.folder
    paths = {str(path) for path in _looked_at(args, report)}
    quick.remember(str(folder), args.words, paths, said, since_ns)


def _looked_at(args: argparse.Namespace, report: BuildReport) -> Iterator[Path]:
    """Files by their bytes, folders because a file that appears in one may win over another."""
    from edgepack.catalog import paths, recipes
    from edgepack.manifest.project import named_files
    from edgepack.plan.snapshot import source_tree, weight_files

    project = report.plan.project
    yield project.folder / "edgepack.yaml"
    if args.node:
        yield from _if_there(project.folder / "fleet.yaml")
    fed = any("feed" in chain for chain in report.plan.chains.values())
    for place, name in named_files(project.manifest):
        if fed or place[:2] not in _FED:
            yield from _tree(project.file(name))
    yield from weight_files(project, recipes.load_all(project.folder)).values()
    for found in source_tree(project.folder):
        yield from found
    for choice in report.plan.choices.values():
        yield choice.target.file
        for recipe in choice.chain.recipes:
            yield from _tree(recipe.folder)
    for kind in ("targets", "recipes", "templates"):
        yield from paths.layers(kind, project.folder)
    yield from _tree(paths.data("recipes/kit"))
    yield from _tree(paths.data("recipes/onnx"))
    yield from _tree(paths.template("program", project.folder))
    yield from _tree(paths.template("sdk", project.folder))
    yield paths.data("requirements/toolchain.txt")
    yield from (p for p in Path(__file__).resolve().parent.parent.rglob("*.py"))
    for built in report.built:
        if built.kind != "bundle":
            yield from _tree(built.folder)
            continue
        yield from (built.folder, built.folder / "index.json", built.folder / "blobs" / "sha256")
        yield from (built.folder / "blobs" / "sha256").iterdir()
    yield from _if_there(project.folder / "edgepack.lock")


# Looked at only where a converted model is held to the trained one on this host.
_FED = (("model", "calibration"), ("model", "accuracy"))


def _tree(folder: Path) -> Iterator[Path]:
    """A file, or a folder with all that lies in it."""
    yield folder
    yield from (p for p in folder.rglob("*") if "__pycache__" not in p.parts)


def _if_there(path: Path) -> Iterator[Path]:
    if path.exists():
        yield path
