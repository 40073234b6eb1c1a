"""``edgepack status [NODES…]``: one line a box, what runs there against what was built here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.manifest.fleet import Fleet
    from edgepack.observe.status import NodeStatus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    from edgepack.cli.fleet import add_selection

    add_selection(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Ask all of them at once. 0 where every box answers, 10 where one shows a wrong host key, 9 else."""
    from edgepack.cli import nodes
    from edgepack.manifest import fleet
    from edgepack.manifest import project as manifest

    folder = Path(args.folder).absolute()
    project = manifest.load(folder)
    known = fleet.load(folder)
    names = nodes.meant(folder, args.nodes, args.exclude, known)
    if not names:
        screen.text("no nodes: write them into fleet.yaml, or: edgepack sandbox up box-07 --target TARGET")
    with ThreadPoolExecutor(max_workers=32) as pool:
        found = list(pool.map(lambda name: _ask(folder, name, project.manifest.name, known), names))
    rows = [(status, _built(folder, project.manifest.name, target)) for status, target in found]
    screen.result([{**status.as_dict(), "built": built} for status, built in rows])
    header = ["NODE", "STATE", "VERSION", "RELEASE", "BUILT HERE", "FRAMES", "FPS", "NOTES"]
    screen.rows([_row(status, built) for status, built in rows], header if rows else [])
    _show_ways_out([status for status, _ in rows if status.fix], screen)
    return _exit_code([status for status, _ in rows])


def _exit_code(shown: Sequence[NodeStatus]) -> int:
    from edgepack.errors import Exit
    from edgepack.observe.status import IN_A_CLUSTER, NOT_TRUSTED

    if any(status.state == NOT_TRUSTED for status in shown):
        return Exit.HOST_KEY
    fine = all(status.running or status.state == IN_A_CLUSTER for status in shown)
    return Exit.OK if fine else Exit.UNREACHABLE


def _show_ways_out(troubled: Sequence[NodeStatus], screen: Screen) -> None:
    for status in troubled:
        screen.text(f"{status.node}: {status.why}")
        screen.text(f"  do: {status.fix}")


def _ask(folder: Path, name: str, app: str, known: Fleet) -> tuple[NodeStatus, str]:
    from edgepack.cli import nodes
    from edgepack.errors import InputError
    from edgepack.observe import status

    target = nodes.target_of(folder, name, known)
    if nodes.in_a_cluster(folder, name, known):
        return status.NodeStatus(name, app, status.IN_A_CLUSTER, "kubectl shows what runs there"), target
    try:
        found = nodes.find(folder, name, known)
    except InputError as error:
        # A sandbox that is down is a state like a box that is off, not a mistake.
        return status.NodeStatus(name, app, status.UNREACHABLE, error.what, error.fix), target
    return status.status(found.endpoint, app), target


def _built(folder: Path, name: str, target: str) -> str | None:
    """The digest of the bundle in dist/ for that target."""
    from edgepack.bundle import BundleError, open_bundle

    try:
        return open_bundle(folder / "dist" / f"{name}@{target}").digest.removeprefix("sha256:")
    except BundleError:
        return None


def _row(status: NodeStatus, built: str | None) -> list[str]:
    drift = "not built" if built is None else "the same" if built == status.release else built[:12]
    notes = ["see below"] if status.fix else [status.why] if status.why else []
    if status.unconfirmed_s is not None:
        notes.append(f"unconfirmed, goes back in {status.unconfirmed_s} s")
    if status.running and status.starts_at_boot is False:
        notes.append("would not start at boot")
    if status.restarts:
        notes.append(f"restarted {status.restarts} times")
    slow = status.slowest
    if status.running and slow and slow.busy >= 0.5:  # else the source has no more pictures
        notes.append(f"{slow.stage} takes most: {slow.ms:.1f} ms a picture, busy {slow.busy:.0%}")
    if status.dropped:
        notes.append(f"{status.dropped} dropped")
    if status.running and status.undelivered:
        notes.append(status.undelivered)
    if status.running and status.licence:
        notes.append(status.licence)
    if status.locked_by:
        notes.append(f"locked by {status.locked_by}")
    return [
        *(status.node, status.state, status.version or "-", (status.release or "-")[:12], drift),
        str(status.frames) if status.running and status.frames is not None else "-",
        f"{status.fps:.1f}" if status.running and status.fps is not None else "-",
        "; ".join(notes),
    ]
