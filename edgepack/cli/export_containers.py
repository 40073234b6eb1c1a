"""``edgepack export compose [NODE…]``: what runs the images on each box, from manifest, fleet and facts."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.containers.app import App
    from edgepack.containers.compose import Rendered
    from edgepack.manifest.fleet import Fleet, Node
    from edgepack.manifest.project import Project

# A host with a port, then names: the grammar of references, github.com/distribution/reference.
_REGISTRY = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*", re.ASCII
)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Render everything, then write: an error in one box leaves all files as they are."""
    from edgepack.containers import compose, files, images
    from edgepack.manifest import fleet as fleets

    folder = Path(args.folder).absolute()
    projects = _projects(folder, args.also)
    known = fleets.load(folder)
    registry = registry_of(args.registry)
    rendered: dict[str, Rendered] = {}
    absent: dict[str, list[str]] = {}
    for name in chosen(args.nodes, known, projects[0], screen):
        node = known.nodes[name]
        apps = [app_of(project, name, _with_its_secrets(project, name, node)) for project in projects]
        absent[name] = [
            words
            for project, app in zip(projects, apps, strict=True)
            for words in images.missing(project.folder / "dist", [app])
        ]
        rendered[name] = compose.render(compose.Box(name, known.nodes[name], tuple(apps), registry))
    place = Path(args.into).absolute() if args.into else folder / "compose"
    told: dict[str, Any] = {}
    for name, made in rendered.items():
        files.write(place / name, made.files, made.once, dry=True)  # all boxes or none
    for name, made in rendered.items():
        states = files.write(place / name, made.files, made.once, dry=args.dry_run)
        told[name] = {
            "files": states,
            "services": list(made.services),
            "secrets": list(made.secrets),
            "warnings": [*made.warnings, *absent[name]],
        }
    screen.result({"folder": str(place), "nodes": told, "dry_run": args.dry_run})
    _show(place, told, screen, dry=args.dry_run)
    return 0


def _show(place: Path, told: dict[str, Any], screen: Screen, *, dry: bool) -> None:
    screen.text(f"{place}" + (": nothing is written, this is a dry run" if dry else ""))
    for name, node in told.items():
        screen.text(f"  {name}: {', '.join(node['services'])}")
        screen.rows([["   ", state, f"{name}/{file}"] for file, state in node["files"].items()])
        for file in node["secrets"]:
            if not (place / name / file).exists():
                screen.text(f"    put there before it starts: {name}/{file}")
        for warning in node["warnings"]:
            screen.remark(f"  warning: {name}: {warning}")


def _projects(folder: Path, also: Sequence[str]) -> list[Project]:
    from edgepack.manifest import project as manifests

    return [manifests.load(place) for place in (folder, *(Path(other).absolute() for other in also))]


def registry_of(name: str | None) -> str:
    """What stands before an image's name. Raises UsageError."""
    from edgepack.containers.app import LOCAL
    from edgepack.errors import UsageError

    if name is not None and not _REGISTRY.fullmatch(name):
        raise UsageError(
            f"--registry is a host and names, like registry.example:5000/acme, and says {name!r}"
        )
    return name or LOCAL


def chosen(
    asked: Sequence[str], known: Fleet, project: Project, screen: Screen, *, clustered: bool = False
) -> list[str]:
    """Those that are asked for; else all that the project is built for.

    ``clustered``: of those with `runs: k8s`, instead of those without.
    """
    from edgepack.errors import InputError
    from edgepack.manifest import fleet as fleets

    for name in asked:
        if name not in known.nodes:
            raise fleets.unknown(name, known.nodes)
    if asked:
        return list(dict.fromkeys(asked))
    targets = project.manifest.targets
    nodes = {name: node for name, node in known.nodes.items() if (node.runs == "k8s") == clustered}
    for name, node in nodes.items():
        if node.target not in targets:
            screen.remark(f"  {name} is left out: {project.manifest.name} is not built for {node.target}")
    found = [name for name, node in nodes.items() if node.target in targets]
    if not found:
        raise InputError(
            "there is no box to write a file for",
            where=fleets.FILE,
            why=f"no node there has one of the project's targets: {', '.join(targets)}",
            fix="name the boxes under `nodes:`, each with its target",
        )
    return found


def app_of(project: Project, name: str, node: Node) -> App:
    """The project's app on that box. Raises InputError where it is not built for it."""
    from edgepack.catalog import targets
    from edgepack.containers import app
    from edgepack.errors import InputError

    if node.target not in project.manifest.targets:
        raise InputError(
            f"{project.manifest.name} is not built for {node.target}, which {name} is",
            where=f"{project.folder.name}/edgepack.yaml",
            fix=f"add `{node.target}: {{}}` under `targets:`, or leave {name} out",
        )
    target = targets.load(node.target, project.folder)
    return app.of(project, target, node)


def _with_its_secrets(project: Project, name: str, node: Node) -> Node:
    """Another project's secrets of that box stand in its own fleet."""
    from edgepack.manifest import fleet as fleets

    own = fleets.load(project.folder).nodes.get(name)
    return node.model_copy(update={"secrets": own.secrets if own else None})
