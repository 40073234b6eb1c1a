"""``edgepack export stick NODE``: a release in one file, which installs itself on a box without any link."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen


_NO_KEY = "the key of its model is not in it: the box has it, or edgepack key wrap {} first"


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write the file, and say what to do with it."""
    from edgepack.cli import deploy, deploy_contained, key, nodes
    from edgepack.cli.screen import amount
    from edgepack.cli.steps import StageScreen
    from edgepack.errors import UsageError
    from edgepack.ship import stick

    if len(args.nodes) != 1:
        raise UsageError("which box is it for? edgepack export stick NODE")
    folder = Path(args.folder).absolute()
    found = nodes.find(folder, args.nodes[0])
    bundle, warnings = deploy.bundle_of(folder, found, None)
    deploy.warn(warnings, found, screen)
    place = Path(args.into).absolute() if args.into else folder / "dist"
    file = place / f"{bundle.name}-{bundle.version}-{found.name}.run"
    told: list[str] = []
    way = deploy_contained.of(folder, found, bundle, told.append)
    for words in told:
        screen.remark(f"  {words}")
    tools = deploy.tools_of(bundle, screen)
    opens = key.wrapped(folder, found.name, bundle)
    with StageScreen(screen) as stages:
        made = stick.write(found.endpoint, bundle, file, args.since, tools, stages.progress, way, opens)
    screen.result({"file": str(made.file), "bytes": made.size, "since": made.since, "warnings": warnings})
    since = f", for a box that has release {made.since[:12]}" if made.since else ", whole"
    screen.text(f"{made.file}: {amount(made.size)}{since}")
    screen.text(f"  on the box, from the stick: sh {made.file.name} --check, then sh {made.file.name}")
    if "encryption" in bundle.release:
        screen.text("  " + ("the key of its model goes along" if opens else _NO_KEY.format(found.name)))
    if found.secrets is not None:
        screen.text("  the node's secrets are not in it: those that the box has stay")
    return 0
