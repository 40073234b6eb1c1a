"""``edgepack ask NODE [IMAGE…]``: the running release's answers; without images, on the held-out ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.model.heldout import HeldOut


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("node", metavar="NODE", help="a box of fleet.yaml, or a sandbox")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="PGM or PPM files; accuracy.data else")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Send, wait, show; with held-out images also the accuracy beside the trained model's own."""
    from edgepack.cli import nodes
    from edgepack.cli.steps import StageScreen
    from edgepack.errors import UsageError
    from edgepack.manifest import project as manifest
    from edgepack.model import heldout
    from edgepack.observe.ask import ask

    folder = Path(args.folder).absolute()
    project = manifest.load(folder)
    found = nodes.find(folder, args.node)
    held: HeldOut | None = None
    files = [Path(image) for image in args.images]
    if not files:
        if project.manifest.model.accuracy is None:
            raise UsageError("which images?", why="the manifest has no model.accuracy.data", fix="name some")
        held = heldout.load(project.file(project.manifest.model.accuracy.data))
        files = [sample.file for sample in held.samples]
    with found.blamed(), StageScreen(screen, unit="images") as stages:
        answers = ask(found.endpoint, project.manifest.name, files, stages.progress)
    if held is None:
        screen.result(answers)
        screen.rows([[str(answer.get("file")), fields(answer)] for answer in answers])
        return 0
    score = heldout.score(held, answers)
    screen.result({**score.as_dict(), "answers": answers})
    _show(score, answers, held, args.node, screen)
    max_drop = project.manifest.model.accuracy.max_drop if project.manifest.model.accuracy else 0.0
    return score.exit_code(max_drop)


def fields(answer: dict[str, Any]) -> str:
    """One answer in a line: its fields as JSON has them, numbers with three decimals."""
    rest = {key: value for key, value in answer.items() if key != "file"}
    return "  ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {json.dumps(value, ensure_ascii=False)}"
        for key, value in rest.items()
    )


def _show(score: Any, answers: list[dict[str, Any]], held: HeldOut, node: str, screen: Screen) -> None:
    for sample, answer in list(zip(held.samples, answers, strict=True))[:8]:
        mark = "✓" if str(answer.get("class")) == sample.label else "✗"
        screen.text(f"  {sample.file.name}  {fields(answer)}  truth {sample.label} {mark}")
    if len(answers) > 8:
        screen.text(f"  … and {len(answers) - 8} more")
    own, box = score.reference_right / score.of, score.right / score.of
    screen.rows(
        [
            [f"accuracy on {node}", f"{score.right}/{score.of}", f"{box:.2%}"],
            ["the trained model's own", f"{score.reference_right}/{score.of}", f"{own:.2%}"],
            ["the same answer, image by image", f"{score.same}/{score.of}", ""],
        ]
    )
