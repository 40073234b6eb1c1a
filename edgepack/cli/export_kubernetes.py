"""``edgepack export kubernetes|helm [NODE…]``: for kustomize or as a chart, from manifest and fleet."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.containers.kubernetes import Cluster
    from edgepack.manifest.fleet import Node


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Render, check, write; then what a person does before it is applied."""
    from edgepack.cli.export_containers import app_of, chosen, registry_of
    from edgepack.containers import files, helm, images, kubernetes
    from edgepack.manifest import fleet as fleets
    from edgepack.manifest import project as manifests

    folder = Path(args.folder).absolute()
    project = manifests.load(folder)
    known = fleets.load(folder)
    registry = registry_of(args.registry)
    # Where nobody says which nodes are the cluster's, all of them are.
    clustered = any(node.runs == "k8s" for node in known.nodes.values())
    names = chosen(args.nodes, known, project, screen, clustered=clustered)
    nodes = {name: known.nodes[name] for name in names}
    apps = {node.target: app_of(project, name, node) for name, node in _first_of_each(nodes).items()}
    cluster = kubernetes.Cluster(apps, nodes, registry, known.policy.max_unavailable)
    chart = args.kind == "helm"
    made = helm.render(cluster) if chart else kubernetes.render(cluster)
    place = Path(args.into).absolute() if args.into else folder / args.kind
    states = files.write(place, made.files, made.once, dry=args.dry_run)
    swept = (helm.TEMPLATES, helm.SITES) if chart else (kubernetes.BASE, kubernetes.SITES)
    states |= files.sweep(place, swept, made.files, dry=args.dry_run)
    warnings = [*made.warnings, *images.missing(folder / "dist", list(apps.values()))]
    told = {"files": states, "first": list(made.secrets), "warnings": warnings}
    screen.result({"folder": str(place), **told, "dry_run": args.dry_run})
    screen.text(f"{place}" + (": nothing is written, this is a dry run" if args.dry_run else ""))
    screen.rows([["   ", state, name] for name, state in states.items()])
    screen.text("  by hand, once:")
    for line in made.secrets:
        screen.text(f"    {line}")
    for name in made.once:
        screen.text(f"  then: {_next(cluster, place, Path(name), chart=chart)}")
    for warning in warnings:
        screen.remark(f"  warning: {warning}")
    return 0


def _next(cluster: Cluster, place: Path, once: Path, *, chart: bool) -> str:
    """What brings it to a cluster, for the site whose own file that is."""
    from edgepack.containers import helm, kubernetes

    if chart:
        sites = bool(kubernetes.sites(cluster.nodes))
        return helm.install(cluster.app.name, once.stem, str(place), sites=sites)
    overlay = once.parent
    return f"edgepack apply {overlay.name}, or kubectl apply --server-side -k {place / overlay}"


def _first_of_each(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """One box of each target, with the names of all boxes' secrets: a cluster has one Secret for all."""
    secrets = {name: source for node in nodes.values() for name, source in (node.secrets or {}).items()}
    found: dict[str, tuple[str, Node]] = {}
    for name, node in nodes.items():
        found.setdefault(node.target, (name, node.model_copy(update={"secrets": secrets or None})))
    return dict(found.values())
