"""How the node's container is made, where fleet.yaml says `runs: compose`: from manifest, fleet and facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgepack.bundle import Bundle
    from edgepack.cli.nodes import Found
    from edgepack.ship.contained import Contained


def of(folder: Path, found: Found, bundle: Bundle, tell: Callable[[str], None]) -> Contained | None:
    """None for a node that runs plain processes. Raises InputError for what no container can run."""
    if found.endpoint.runs != "compose":
        return None
    from edgepack.cli.export_containers import app_of
    from edgepack.containers import deployed
    from edgepack.containers.compose import Box
    from edgepack.manifest import fleet as fleets
    from edgepack.manifest import project as manifests
    from edgepack.ship.contained import NONE, Contained

    node = fleets.load(folder).nodes[found.name]
    app = app_of(manifests.load(folder), found.name, node)
    libc = str(bundle.release.get("libc") or "static")
    release = bundle.digest.removeprefix("sha256:")
    file, warnings = deployed.render(Box(found.name, node, (app,)), release, libc)
    for warning in warnings:
        tell(warning)
    return Contained(file, node.base or NONE)
