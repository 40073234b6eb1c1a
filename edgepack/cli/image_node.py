"""``edgepack image --to NODE``: an image into the engine of a box, with only the layers that it lacks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgepack.cli.nodes import Found
    from edgepack.cli.screen import Screen
    from edgepack.manifest.project import Project
    from edgepack.package.image import Image
    from edgepack.ship.into_engine import Brought, Cargo, Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument(
        "--to",
        metavar="NODE",
        action="append",
        default=[],
        help="also into docker or podman on this box of fleet.yaml, over SSH, with only the layers it lacks; "
        "several: one after the other",
    )
    parser.add_argument(
        "--for",
        dest="for_nodes",
        metavar="NODE",
        action="append",
        default=[],
        help="ask this box which versions it has (L4T, CANN, libsophon), and refuse a base of others; "
        "--to does so too",
    )


def targets(folder: Path, args: argparse.Namespace) -> tuple[list[Found], list[Found]]:
    """The nodes to bring it to, and all to ask; where no target is named, theirs. Raises UsageError."""
    from edgepack.cli import nodes
    from edgepack.errors import UsageError

    found = [nodes.find(folder, name) for name in dict.fromkeys([*args.to, *args.for_nodes])]
    wanted = list(dict.fromkeys(one.target for one in found))
    if not args.targets:
        args.targets = wanted
    for one in found:
        if one.target not in args.targets:
            raise UsageError(
                f"{one.name} is a {one.target}, which is not among {', '.join(args.targets)}",
                fix=f"name {one.target} too, or no target at all",
            )
    return [one for one in found if one.name in args.to], found


def warn(project: Project, found: Sequence[Found], screen: Screen) -> None:
    """Of what was changed since the build."""
    from edgepack.bundle import open_bundle
    from edgepack.cli import deploy, deploy_drift

    for one in found:
        bundle = open_bundle(project.folder / "dist" / f"{project.manifest.name}@{one.target}")
        deploy.warn(deploy_drift.warnings(project, bundle, one.target), one, screen)


def plan(made: Image, repository: str, found: Sequence[Found], screen: Screen) -> tuple[list[Any], int]:
    """What bringing it would do on each node, and the exit code."""
    from edgepack.box.session import Box
    from edgepack.errors import Exit
    from edgepack.ship import into_engine

    rows, code = [], 0
    for node in found:
        with node.blamed(), Box(node.endpoint) as box:
            said = into_engine.plan(box, _cargo(made, node, repository))
        rows.append(said.as_dict())
        _show_plan(said, node, screen)
        code = Exit.PREFLIGHT if said.refusals else code
    return rows, code


def bring(made: Image, repository: str, found: Sequence[Found], screen: Screen) -> list[Any]:
    """To each node, one after the other; the first that fails ends it."""
    from edgepack.box.session import Box
    from edgepack.cli.steps import StageScreen
    from edgepack.ship import into_engine
    from edgepack.ship.report import Clock

    rows = []
    for node in found:
        cargo = _cargo(made, node, repository)
        screen.headline(f"{cargo.name} → {node.endpoint.where}")
        with node.blamed(), StageScreen(screen) as stages:
            clock = Clock(stages.progress)
            with clock.stage("connect"):
                box = Box(node.endpoint)
            with box:
                with clock.stage("probe"):
                    facts = into_engine.survey(box, cargo)
                done = into_engine.bring(box, cargo, facts, clock)
        rows.append(done.as_dict())
        _show(done, screen)
    return rows


def _cargo(made: Image, node: Found, repository: str) -> Cargo:
    from edgepack.oci import blob
    from edgepack.package import image_archive
    from edgepack.ship.engine import Layer
    from edgepack.ship.into_engine import Cargo

    one = next(one for one in made.targets if one.target == node.target)
    archive = image_archive.of_target(one, repository)
    return Cargo(
        name=archive.name,
        texts=archive.texts,
        config=str(one.config["digest"]),
        manifest=str(one.manifest["digest"]),
        layers=tuple(Layer(la.kind, la.diff_id, la.digest, la.size) for la in one.layers),
        blobs={digest: blob(made.folder, digest) for digest in archive.blobs},
        release=one.bundle,
    )


def _show_plan(said: Plan, node: Found, screen: Screen) -> None:
    from edgepack.cli.screen import amount

    screen.text(f"{said.name} → {node.endpoint.where}: nothing was changed")
    for refusal in said.refusals:
        screen.text(f"  would be refused: {refusal}")
    if said.refusals:
        return
    if said.there:
        screen.text(f"  nothing to do: {said.engine} has it by that name")
        return
    layers = ", ".join(said.layers_to_send) or "none"
    screen.text(
        f"  {said.engine}: {len(said.layers_to_send)} of {said.layers_total} layers to send ({layers}), "
        f"{amount(said.bytes_to_send)} of {amount(said.bytes_total)} before compression"
    )


def _show(done: Brought, screen: Screen) -> None:
    from edgepack.cli.screen import amount

    if done.outcome == "nothing to do":
        screen.text(f"{done.node}: nothing to do, {done.engine} has {done.name}")
        return
    layers = (
        f"{len(done.layers_sent)} of {done.layers_total} layers ({', '.join(done.layers_sent) or 'none'})"
    )
    screen.text(f"{done.node}: {done.engine} has {done.name}")
    screen.text(f"  {amount(done.bytes_sent)} sent for {layers}, {amount(done.bytes_total)} in all")
    seconds = ", ".join(f"{stage} {taken:.1f}" for stage, taken in done.seconds.items() if taken >= 0.05)
    screen.text(f"  seconds: {seconds}")
