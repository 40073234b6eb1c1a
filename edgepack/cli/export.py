"""``edgepack export KIND``: for other projects' servers, for a USB stick, for an engine of containers."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgepack.cli.screen import Screen
    from edgepack.manifest.project import Project

STICK, COMPOSE, KUBERNETES, HELM, DOCKERFILE = "stick", "compose", "kubernetes", "helm", "dockerfile"
KINDS = (
    *("triton", "tensorflow-serving", "paddle-serving", "deepstream"),
    *(STICK, COMPOSE, KUBERNETES, HELM, DOCKERFILE),
)
CONTAINERS = (COMPOSE, KUBERNETES, HELM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=", ".join(KINDS))
    parser.add_argument(
        "nodes",
        nargs="*",
        metavar="NODE",
        help="stick: the box that the file for a USB stick is for; compose, kubernetes, helm: these, else "
        "all; dockerfile: targets, else all that are built",
    )
    parser.add_argument(
        "-o",
        "--into",
        metavar="FOLDER",
        help="left out: dist/KIND in the project; stick: dist; compose, kubernetes, helm: KIND; "
        "dockerfile: docker",
    )
    parser.add_argument(
        "--since",
        metavar="RELEASE",
        help="stick: only what differs from a release that was shipped from here, and that the box has",
    )
    parser.add_argument(
        "--with",
        dest="also",
        action="append",
        default=[],
        metavar="FOLDER",
        help="compose: another project whose program runs on the same boxes; may be said again; "
        "dockerfile: who builds it, buildx, docker, buildah or podman; left out: the first that is here",
    )
    parser.add_argument(
        "--registry",
        metavar="NAME",
        help="compose, kubernetes, helm: where the images are, as registry.example:5000/acme",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="compose, kubernetes, helm, dockerfile: say what would be written, and write nothing",
    )
    parser.add_argument(
        "--build", action="store_true", help="dockerfile: also build an image for each target"
    )
    parser.add_argument(
        "--builder", metavar="IMAGE", help="dockerfile: where the compiler runs, an image with Python and pip"
    )
    parser.add_argument(
        "--base",
        metavar="BASE",
        help="dockerfile: what lies below: none, libc or docker://REPOSITORY:TAG; left out: as with `image`",
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write the folder anew, and say where."""
    from edgepack.cli import export_containers, export_dockerfile, export_kubernetes, export_stick
    from edgepack.errors import InputError
    from edgepack.manifest import project as manifests

    _check(args)
    if args.kind == DOCKERFILE:
        return export_dockerfile.run(args, screen)
    if args.kind == STICK:
        return export_stick.run(args, screen)
    if args.kind in CONTAINERS:
        if args.kind == COMPOSE:
            return export_containers.run(args, screen)
        return export_kubernetes.run(args, screen)
    project = manifests.load(Path(args.folder).absolute())
    model = project.file(project.manifest.model.file)
    if model.suffix != ".onnx":
        raise InputError(
            f"{project.manifest.model.file} is not an ONNX model",
            why="what the server loads is made of an ONNX file, and its names are read from one",
            fix="export the model as ONNX",
        )
    place = Path(args.into).absolute() if args.into else project.folder / "dist" / args.kind
    writers = {"tensorflow-serving": _tensorflow, "paddle-serving": _paddle}
    with tempfile.TemporaryDirectory(prefix="edgepack-export-") as temporary:
        writer = writers.get(args.kind)
        files = writer(project, Path(temporary), screen) if writer else _as_it_is(args.kind, project, model)
        for name, content in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                (place / name).write_text(content)
            else:
                shutil.copyfile(content, place / name)
    screen.result({"folder": str(place), "files": sorted(files)})
    screen.text(f"{place}")
    screen.text(f"  for {args.kind}, by contract only: it was read by no server here")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises UsageError for a flag of another kind."""
    from edgepack.errors import UsageError

    if args.kind not in CONTAINERS and args.registry:
        raise UsageError(f"--registry goes with `compose`, `kubernetes` and `helm`, not with {args.kind}")
    if args.kind not in (*CONTAINERS, DOCKERFILE) and args.dry_run:
        raise UsageError(
            f"--dry-run goes with `compose`, `kubernetes`, `helm` and `dockerfile`, not with {args.kind}"
        )
    if args.kind not in (COMPOSE, DOCKERFILE) and args.also:
        raise UsageError(f"--with goes with `compose` and `dockerfile`, not with {args.kind}")
    if args.kind != DOCKERFILE and (args.build or args.builder or args.base):
        raise UsageError(f"--build, --builder and --base go with `dockerfile`, not with {args.kind}")
    if args.kind != STICK and (args.since or (args.nodes and args.kind not in (*CONTAINERS, DOCKERFILE))):
        raise UsageError(f"a node and --since go with `stick`, not with {args.kind}")


def _as_it_is(kind: str, project: Project, model: Path) -> Mapping[str, str | Path]:
    """For servers that load ONNX itself."""
    from edgepack.convert import onnx_signature
    from edgepack.package import serving

    manifest = project.manifest
    found = onnx_signature.read(model, fixed=False)
    inputs, outputs = (
        [serving.Served(tensor.name, tensor.shape, tensor.dtype) for tensor in tensors]
        for tensors in (found.inputs, found.outputs)
    )
    if kind == "triton":
        name = manifest.name
        return {
            f"{name}/config.pbtxt": serving.triton(manifest, inputs, outputs),
            f"{name}/1/model.onnx": model,
        }
    return {"config_infer_primary.txt": serving.deepstream(manifest, inputs), "model.onnx": model}


def _tensorflow(project: Project, folder: Path, screen: Screen) -> Mapping[str, str | Path]:
    from edgepack.package import serving

    made, _ = _converted("tensorflow-serving", project, folder, screen)
    manifest = project.manifest
    files: dict[str, str | Path] = {f"{manifest.name}/1/{name}": path for name, path in made.items()}
    return {**files, "models.config": serving.tensorflow(manifest)}


def _paddle(project: Project, folder: Path, screen: Screen) -> Mapping[str, str | Path]:
    from edgepack.package import serving

    made, report = _converted("paddle-serving", project, folder, screen)
    inputs, outputs = (
        [
            serving.Named(serving.Served(row["name"], tuple(row["shape"]), row["dtype"]), row["paddle"])
            for row in report[side]
        ]
        for side in ("inputs", "outputs")
    )
    text = serving.paddle(inputs, outputs)
    name = project.manifest.name
    files: dict[str, str | Path] = {f"{name}_server/{file}": path for file, path in made.items()}
    return {
        **files,
        f"{name}_server/serving_server_conf.prototxt": text,
        f"{name}_client/serving_client_conf.prototxt": text,
    }


def _converted(
    kind: str, project: Project, folder: Path, screen: Screen
) -> tuple[Mapping[str, Path], Mapping[str, Any]]:
    """Files and report of the conversion, its progress on the screen."""
    from edgepack.catalog import recipes
    from edgepack.convert.servers import convert_for

    log = project.folder / ".edgepack" / "logs" / f"export-{kind}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    screen.started(kind)
    try:
        known = recipes.load_all(project.folder)
        made = convert_for(kind, project, known, folder, log, lambda note: screen.note(kind, note))
        screen.done(kind, "converted, and held to the trained model")
    finally:
        screen.stop()
    return made.files, made.report
