"""``edgepack targets [ID]``: the catalogue of chips and boards."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.catalog.targets import Target
    from edgepack.cli.screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("target", nargs="?", metavar="ID", help="show one target's facts with their sources")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List all, or show one."""
    from edgepack.catalog import targets

    folder = Path(args.folder)
    if args.target:
        target = targets.load(args.target, folder)
        screen.result(_as_dict(target))
        _show(target, screen)
        return 0
    known = list(targets.load_all(folder))
    screen.result([_as_dict(target) for target in known])
    screen.rows(
        [
            [t.id, t.known_arch or "unknown", ", ".join(t.about.runtimes), t.verification(), t.about.name]
            for t in known
        ],
        header=["TARGET", "ARCH", "RUNTIMES", "PROOF", "NAME"],
    )
    return 0


def _show(target: Target, screen: Screen) -> None:
    from edgepack.catalog.programs import program_with

    about = target.about
    screen.text(f"{target.id}: {about.name}")
    if about.summary:
        screen.text(f"  {about.summary}")
    screen.text(f"  {target.verification()}")
    for seen in about.verified:
        on = f" ({seen.on})" if seen.on else ""
        screen.text(f"    {seen.how} {seen.name}: {seen.what}{on}")
    screen.text(f"  precision: {about.precision}; runtimes, and the program with each:")
    screen.rows([[f"    {runtime}", program_with(runtime, target)] for runtime in about.runtimes])
    for name, fact in about.facts.known().items():
        first, *rest = _lines(fact.value)
        screen.text(f"  {name} = {first}")
        for line in rest:
            screen.text(f"      or {line}")
        screen.text(screen.paint(f"      source: {fact.source}", "dim"))
    for name, words in about.facts.unknown().items():
        screen.text(f"  {name}: unknown ({words}; no source was found)")
    for note in about.notes:
        screen.text(f"  note: {note}")
    screen.text(f"  file: {target.file}")


def _lines(value: object) -> list[str]:
    """A fact as people write it; versions that fit together a line for each row."""
    if isinstance(value, dict):
        return ["; ".join(f"{name} {_lines(part)[0]}" for name, part in value.items())]
    if isinstance(value, list):
        parts = [_lines(part)[0] for part in value]
        return parts if parts and isinstance(value[0], dict) else [", ".join(parts)]
    return [str(value)]


def _as_dict(target: Target) -> dict[str, object]:
    from edgepack.catalog.programs import program_with

    about = target.about.model_dump(mode="json", exclude_none=True)
    about["facts"] |= dict.fromkeys(target.about.facts.unknown())
    return {
        "id": target.id,
        "file": str(target.file),
        "verification": target.verification(),
        "programs": {runtime: program_with(runtime, target) for runtime in target.about.runtimes},
        **about,
    }
