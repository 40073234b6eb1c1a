"""``edgepack parity``: the converted models beside the trained one, and where the page on each lies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgepack.cli.screen import Screen
    from edgepack.plan.step import Plan
    from edgepack.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all of the manifest's else")
    parser.add_argument(
        "--layers",
        action="store_true",
        help="with the error layer by layer; where the toolkit does not tell it, by cutting the model",
    )


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
            if args.layers:
                shown[target] = _with_layers(screen, plan, target, store)
    screen.result({"project": plan.project.manifest.name, "targets": shown})
    for target in plan.chains:
        if target not in shown:
            screen.text(f"{target}: nothing to compare with: there are no golden vectors (model.golden)")
            continue
        body = shown[target]
        page = parity_step.place(plan.project, target, "html").relative_to(plan.project.folder)
        screen.text(f"{target}: {body['state']}, {body['precision']} by {body['recipe']}; {page}")
        screen.rows(_rows(body))
        if args.layers:
            _show_layers(body, screen)
        for warning in body["warnings"]:
            screen.text(screen.paint(f"  warning: {warning}", "yellow"))
    return 0


def _with_layers(screen: Screen, plan: Plan, target: str, store: Store) -> Mapping[str, Any]:
    """The report with its layers. It may take minutes, so it is shown as a step is."""
    from edgepack.convert import layers_step
    from edgepack.pipeline import only_build

    name = f"{plan.project.manifest.name}@{target}/layers"
    with only_build(plan.project.folder):
        screen.started(name)
        try:
            body = layers_step.report(plan, target, store, lambda note: screen.note(name, note))
        except BaseException:
            screen.done(name, good=False)
            screen.stop()
            raise
        screen.done(name, f"{len(body['layers'])} tensors compared")
        screen.stop()
    return body


def _show_layers(body: Mapping[str, Any], screen: Screen) -> None:
    looked = body.get("looked")
    if not body["layers"]:
        screen.text(f"  layers: {looked['note'] if looked else 'nothing here can look inside of the model'}")
        return
    screen.rows(
        [
            [
                f"  {row['node']}",
                row["op"],
                row["tensor"],
                "not a number" if row["cosine"] is None else f"cosine {row['cosine']:.6f}",
                "" if row["max_abs"] is None else f"largest error {row['max_abs']:.3g}",
            ]
            for row in body["layers"]
        ]
    )
    if looked and looked["note"]:
        screen.text(f"  {looked['note']}")


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
