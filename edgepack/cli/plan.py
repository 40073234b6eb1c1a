"""``edgepack plan``: the object that ``build`` executes, shown and not executed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.cli.screen import Screen
    from edgepack.plan.step import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own flags."""
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these; all of the manifest's else")
    parser.add_argument("--toolchain", choices=["zig", "gcc"], help="as for build")
    parser.add_argument("--explain", action="store_true", help="every value and the file it came from")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Look, decide, show."""
    from edgepack.manifest import project as manifest
    from edgepack.pipeline import Request, check_ahead, make_plan
    from edgepack.store import Store
    from edgepack.tools import cache

    project = manifest.load(Path(args.folder).absolute())
    request = Request(project.folder, tuple(args.targets), args.toolchain)
    store = Store(cache.root() / "store")
    plan = make_plan(project, request, store)
    check_ahead(plan, store)
    screen.result(_as_dict(plan))
    if args.explain:
        _explain(plan, screen)
    todo = len(plan.todo)
    screen.text(
        f"{project.manifest.name} {project.manifest.version}: "
        + (f"{todo} of {len(plan.steps)} steps to run" if todo else "nothing to do")
    )
    screen.rows(
        [[f"  {'cached' if s.cached else 'run'}", s.id, s.key[:12], s.why] for s in plan.steps.values()]
    )
    return 0


def _explain(plan: Plan, screen: Screen) -> None:
    for target, choice in plan.choices.items():
        screen.text(f"{plan.project.manifest.name}@{target}")
        screen.rows([["  " + name, value] for name, value in choice.because.items()])
        screen.text("  proof")
        screen.rows([["      " + part, words] for part, words in _proof(plan, target).items()])
        for stage, step_id in plan.chains[target].items():
            step = plan.steps[step_id]
            screen.text(f"  {stage}: {step.id}")
            screen.rows([["      " + name, _short(value)] for name, value in step.inputs.items()])


def _proof(plan: Plan, target: str) -> Mapping[str, str]:
    from edgepack.plan.proven import proven

    program = "compile" in plan.chains[target]
    return proven(plan.project.manifest, plan.choices[target], program=program)


def _short(value: str) -> str:
    """A digest as the plan's own lines have it; ``--json`` has the whole of it."""
    return value[:12] if len(value) == 64 and set(value) <= set("0123456789abcdef") else value


def _as_dict(plan: Plan) -> dict[str, object]:
    return {
        "project": plan.project.manifest.name,
        "steps": [
            {
                "id": step.id,
                "stage": step.stage,
                "key": step.key,
                "cached": step.cached,
                "why": step.why,
                "needs": list(step.needs),
                "inputs": dict(step.inputs),
            }
            for step in plan.steps.values()
        ],
        "choices": {target: dict(choice.because) for target, choice in plan.choices.items()},
        "proof": {target: dict(_proof(plan, target)) for target in plan.choices},
    }
