"""``edgepack export triton|deepstream``: the trained model with what a GPU server reads. By contract only."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("kind", metavar="KIND", choices=("triton", "deepstream"), help="triton, deepstream")
    parser.add_argument("--into", metavar="FOLDER", help="left out: dist/KIND in the project")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write the folder anew, and say where."""
    from edgepack.convert import onnx_signature
    from edgepack.errors import InputError
    from edgepack.manifest import project as manifests
    from edgepack.package import serving

    project = manifests.load(Path(args.folder).absolute())
    manifest, model = project.manifest, project.file(project.manifest.model.file)
    if model.suffix != ".onnx":
        raise InputError(
            f"{manifest.model.file} is not an ONNX model",
            why="the server's configuration names what goes in and out, which is read from an ONNX file",
            fix="export the model as ONNX",
        )
    found = onnx_signature.read(model, fixed=False)
    inputs, outputs = (
        [serving.Served(tensor.name, tensor.shape, tensor.dtype) for tensor in tensors]
        for tensors in (found.inputs, found.outputs)
    )
    place = Path(args.into).absolute() if args.into else project.folder / "dist" / args.kind
    if args.kind == "triton":
        files = {f"{manifest.name}/config.pbtxt": serving.triton(manifest, inputs, outputs)}
        to = place / manifest.name / "1" / "model.onnx"
    else:
        files = {"config_infer_primary.txt": serving.deepstream(manifest, inputs)}
        to = place / "model.onnx"
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, to)
    for name, text in files.items():
        (place / name).write_text(text)
    screen.result({"folder": str(place), "files": sorted([*files, str(to.relative_to(place))])})
    screen.text(f"{place}")
    screen.text(f"  for {args.kind}, by contract only: it was read by no server here")
    return 0
