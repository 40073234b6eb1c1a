"""``edgepack build``: every target of the project, or those named."""

from __future__ import annotations

import argparse
import io
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.pipeline import BuildReport, Built


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all of the manifest's else")
    parser.add_argument("--for", dest="node", metavar="NODE", help="only the target of that box")
    parser.add_argument(
        "--toolchain", choices=["zig", "gcc"], help="wins over the manifest's; zig is the default"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Build and show what came of it."""
    from edgepack.cli import inputs
    from edgepack.pipeline import Request, build

    began, since = time.monotonic(), time.time_ns()
    folder = Path(args.folder)
    targets = tuple(args.targets)
    if args.node:
        from edgepack.cli.nodes import target_of

        targets = (*targets, target_of(folder, args.node))
    report = build(Request(folder, targets, args.toolchain), screen)
    screen.stop()
    name = report.plan.project.manifest.name
    if report.ran:
        screen.headline(f"{name}: {_count(report)} built in {time.monotonic() - began:.1f} s")
    said = _said(report, screen)
    screen.raw(said)
    up_to_date = said if not report.ran else _said_again(report, screen)
    inputs.remember(args, report, up_to_date, since)
    return 0


def _count(report: BuildReport) -> str:
    kinds = [built.kind for built in report.built]
    counts = {kind: kinds.count(kind) for kind in ("bundle", "SDK", "model")}
    counts["SDK"] = kinds.count("sdk")
    return " and ".join(f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts.items() if n)


def _said(report: BuildReport, screen: Screen) -> str:
    """The result as this run shows it."""
    from edgepack.cli.screen import Screen as Plain

    out = io.StringIO()
    with redirect_stdout(out):
        shown = Plain(json=screen.json)
        shown.result(_as_dict(report))
        if not report.ran:
            shown.text(f"{report.plan.project.manifest.name}: nothing to do, {_count(report)} up to date")
        shown.rows([_row(built, report) for built in report.built])
    return out.getvalue()


def _said_again(report: BuildReport, screen: Screen) -> str:
    """What the next run will show if nothing changes."""
    from dataclasses import replace

    return _said(replace(report, ran=()), screen)


def _row(built: Built, report: BuildReport) -> list[str]:
    place = built.folder.relative_to(report.plan.project.folder)
    said = _proof(built.proof)
    if built.kind == "model":
        choice = report.plan.choices[built.target]
        why = choice.because.get("program", "").removeprefix("none, the converted model alone: ")
        said += f"; the model alone: {why or f'edgepack has no program for {choice.runtime} yet'}"
    return ["  " + str(place), f"{built.size / 1e6:.1f} MB", built.digest[:19], said]


def _proof(proof: Any) -> str:
    outputs = proof.get("outputs") or {}
    errors = [row.get("max_abs", 0) for row in outputs.values()]
    worst = f", largest error {max(errors):.1e}" if errors else ""
    samples = f"{proof['samples']} golden vectors " if proof.get("samples") else ""
    return f"{samples}{proof.get('state', '')}{worst}"


def _as_dict(report: BuildReport) -> dict[str, Any]:
    return {
        "project": report.plan.project.manifest.name,
        "version": report.plan.project.manifest.version,
        "ran": sorted(report.ran),
        "bundles": [
            {
                "target": built.target,
                "folder": str(built.folder),
                "digest": built.digest,
                "bytes": built.size,
                "arch": built.arch,
                "kind": built.kind,
                "proof": dict(built.proof),
            }
            for built in report.built
        ],
    }
