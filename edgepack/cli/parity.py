"""``edgepack parity``: the converted models beside the trained one, and where the page on each lies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all of the manifest's else")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Convert and compare what is not yet; show each target's numbers. Raises ConvertParityError."""
    from edgepack.convert import parity_step
    from edgepack.pipeline import Request, build
    from edgepack.store import Store
    from edgepack.tools import cache

    request = Request(Path(args.folder), tuple(args.targets), proof=True, program=False)
    report = build(request, screen)
    screen.stop()
    store, plan = Store(cache.root() / "store"), report.plan
    shown: dict[str, Mapping[str, Any]] = {}
    for target, chain in plan.chains.items():
        if "parity" in chain:
            shown[target] = parity_step.laid_out(plan, target, store)
    screen.result({"project": plan.project.manifest.name, "targets": shown})
    for target in plan.chains:
        if target not in shown:
            screen.text(f"{target}: nothing to compare with: there are no golden vectors (model.golden)")
            continue
        body = shown[target]
        page = parity_step.place(plan.project, target, "html").relative_to(plan.project.folder)
        screen.text(f"{target}: {body['state']}, {body['precision']} by {body['recipe']}; {page}")
        screen.rows(_rows(body))
        for warning in body["warnings"]:
            screen.text(screen.paint(f"  warning: {warning}", "yellow"))
    return 0


def _rows(body: Mapping[str, Any]) -> list[list[str]]:
    """An output a line, then the task, then what is beside the model."""
    rows = [
        [
            f"  {name}",
            f"cosine {row['cosine']:.6f} (≥ {row['least']:g})",
            f"largest error {row['max_abs']:.3g} (≤ {row['limit']:.3g})",
            f"mean error {row['mean_abs']:.3g}",
        ]
        for name, row in body["outputs"].items()
    ]
    score = body.get("score")
    if score:
        told = f"{score['converted']:.4f}, trained {score['trained']:.4f}"
        rows.append(
            [f"  {score['metric']}", told, f"may fall by {score['max_drop']:g}", f"{score['of']} inputs"]
        )
    for name in ("pre", "post"):
        stage = body["stages"].get(name)
        if stage:
            rows.append([f"  {name}", "as recorded" if stage["ok"] else stage["why"], "", ""])
    return rows
