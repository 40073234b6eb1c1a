"""``edgepack check``: what will hurt about the model on each target, before anything is converted."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepack.catalog.recipes import RecipeFile
    from edgepack.cli.screen import Screen
    from edgepack.model.lint import Finding, Subject, Toolkit
    from edgepack.plan.step import Choice, Plan

_MARKS = {"stops": "✗", "slows": "!", "note": "·"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all of the manifest's else")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Read the model, tell. Exit code 6 where something will stop a conversion."""
    from edgepack.errors import Exit
    from edgepack.model.lint import lint
    from edgepack.pipeline import Request, prepared

    plan, facts = prepared(Request(Path(args.folder), tuple(args.targets), program=False), screen)
    screen.stop()
    told: dict[str, list[dict[str, Any]]] = {}
    stops = False
    for target, choice in plan.choices.items():
        found = [*lint(facts[target], subject(choice)), *_by_contract(plan, choice)]
        stops = stops or any(finding.weight == "stops" for finding in found)
        told[target] = [asdict(finding) for finding in found]
        _show(choice, facts[target], told[target], screen)
    screen.result({"project": plan.project.manifest.name, "targets": told})
    return Exit.CONVERT if stops else Exit.OK


def subject(choice: Choice) -> Subject:
    """What lint is to know of a target and its recipe."""
    from edgepack.model.lint import Subject

    about, known = choice.recipe.about, choice.target.about.facts.known()
    tops = _value(choice, "tops")
    memory = _value(choice, "memory_mb")
    channels = _value(choice, "channel_multiple")
    return Subject(
        target=choice.target.id,
        recipe=choice.recipe.id,
        precision=choice.precision,
        opsets=(about.opsets.min, about.opsets.max) if about.opsets else None,
        toolkits=[_toolkit(recipe.id, recipe.about) for recipe in choice.chain.converts],
        accelerated="accelerator" in known or bool(about.chips),
        channels=int(channels) if isinstance(channels, int) else None,
        tops=tops.get(choice.precision) if isinstance(tops, dict) else None,
        memory_mb=min(memory) if isinstance(memory, list) else memory,
        sources={name: fact.source for name, fact in known.items()},
    )


def _by_contract(plan: Plan, choice: Choice) -> list[Finding]:
    """What nobody has seen to work yet, a note each."""
    from edgepack.catalog.runtimes import LINKED
    from edgepack.catalog.words import BY_CONTRACT
    from edgepack.model.lint import Finding
    from edgepack.plan.proven import proven

    program = choice.part is None and choice.runtime in LINKED
    found = proven(plan.project.manifest, choice, program=program)
    return [Finding("note", f"{part}: {words}") for part, words in found.items() if BY_CONTRACT in words]


def _toolkit(recipe: str, about: RecipeFile) -> Toolkit:
    """What lint is to know of a converter's operators."""
    from edgepack.model.lint import Known, Lacking, Toolkit

    lacks = [Lacking(lack.operator, lack.fix, lack.source, lack.when) for lack in about.lacks]
    said = about.knows
    knows = Known(frozenset(said.operators), said.complete, said.source) if said else None
    return Toolkit(recipe, about.tool, lacks, knows)


def _value(choice: Choice, name: str) -> Any:
    fact = choice.target.about.facts.known().get(name)
    return fact.value if fact else None


def _show(choice: Choice, facts: Any, found: list[dict[str, Any]], screen: Screen) -> None:
    size = f"{count(facts['parameters'])} parameters, {count(facts['macs'])} multiply-adds"
    part = f", the part {choice.part} the cut" if choice.part else ""
    said = f"{choice.chain}, {choice.precision}{part}; {size}, opset {facts['opset']}"
    screen.text(f"{choice.target.id}: {said}")
    if not found:
        screen.text("  nothing that is known to hurt")
    for finding in found:
        screen.text(f"  {_MARKS[finding['weight']]} {finding['what']}")
        for label in ("why", "fix"):
            if finding[label]:
                screen.text(screen.paint(f"      {finding[label]}", "dim"))


def count(number: int) -> str:
    """A number that keeps its digits, however small: "61.7 k", "3.20 M"."""
    if number < 1000:
        return str(number)
    return f"{number / 1e3:.1f} k" if number < 999_950 else f"{number / 1e6:,.2f} M"
