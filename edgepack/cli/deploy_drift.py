"""Whether a project has changed since its bundle was built: ``deploy`` ships the bundle, and says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgepack.bundle import Bundle
    from edgepack.manifest.project import Project
    from edgepack.plan.step import Plan

_ALL_SOURCES = "C and C++ files of the project"
_NOT_SHIPPED = ("verify", "parity")  # what a bundle was held to, not what it is made of


def warnings(project: Project, bundle: Bundle, target: str) -> list[str]:
    """A sentence where the bundle is not what a build would make now; empty where it is, or nothing is known.

    edgepack.lock says what the bundle was made of. A project without one, as where bundles are only
    deployed from, is not judged.
    """
    from edgepack.errors import EdgepackError

    locked = _locked(project.folder, target)
    if locked is None:
        return []
    place = f"dist/{bundle.name}@{target}"
    if locked.get("bundle") != bundle.digest:
        return [f"{place} is not the bundle that edgepack.lock tells of: it may be of other files than these"]
    try:
        names = changed(locked, _plan(project, target, locked), target)
    except EdgepackError as error:
        return [f"whether {place} is of these files cannot be told: {error.what}"]
    return [f"{place} was built before these changed: {', '.join(names)}"] if names else []


def changed(locked: Mapping[str, Any], plan: Plan, target: str) -> list[str]:
    """Names of what goes into the target's bundle and is not what it was, in the order of the build.

    locked: the target's entry in edgepack.lock.
    """
    results = {step.key for step in plan.steps.values()}
    found: dict[str, None] = {}
    for slot, step_id in plan.chains[target].items():
        before, now = locked.get(slot), plan.steps[step_id].inputs
        if slot in _NOT_SHIPPED or not isinstance(before, dict) or _unknown_layers(before, now):
            continue
        differ = [name for name, value in now.items() if before.get(name) != value and value not in results]
        gone = [name for name in before if name not in now]
        found.update(dict.fromkeys(_without_their_sum(differ + gone)))
    return list(found)


def _unknown_layers(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Which layers a model needs is known only where it was converted; a change of it shows itself."""
    return before.get("layers") != now.get("layers")


def _without_their_sum(names: list[str]) -> list[str]:
    from edgepack.plan.snapshot import SOURCES

    named = any(Path(name).suffix in SOURCES for name in names)
    return [name for name in names if not (named and name == _ALL_SOURCES)]


def _plan(project: Project, target: str, locked: Mapping[str, Any]) -> Plan:
    """What a build would do now, with the toolchain of the last one where the manifest names none."""
    from edgepack.pipeline import Request, make_plan
    from edgepack.store import Store
    from edgepack.tools import cache

    options = project.manifest.targets.get(target)
    runtime = locked.get("runtime")
    last = runtime.get("toolchain") if isinstance(runtime, dict) else None
    toolchain = last if options is not None and options.toolchain is None else None
    return make_plan(project, Request(project.folder, (target,), toolchain), Store(cache.root() / "store"))


def _locked(folder: Path, target: str) -> dict[str, Any] | None:
    try:
        entry = json.loads((folder / "edgepack.lock").read_bytes())["targets"][target]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if isinstance(entry, dict) else None
