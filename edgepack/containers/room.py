"""How much of a box an app gets: memory and processors, from the fleet's limits or the target's facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgepack.catalog.targets import Target
from edgepack.manifest.fleet import Node

_LEAST_FOR_SYSTEM_MB = 128


@dataclass(frozen=True)
class Room:
    """MiB and processors, each None where nobody knows the box's; ``why`` says from where, in words."""

    memory_mb: int | None
    cpus: float | None
    why: str


def of(target: Target, node: Node, apps: int, brokers_mb: int) -> Room:
    """What each of so many apps gets, beside brokers that take ``brokers_mb`` together."""
    memory, from_memory = _memory(target, node, apps, brokers_mb)
    cpus, from_cpus = _cpus(target, node)
    return Room(memory, cpus, f"memory: {from_memory}; processors: {from_cpus}")


def _memory(target: Target, node: Node, apps: int, brokers_mb: int) -> tuple[int | None, str]:
    if node.limits.memory_mb:
        return node.limits.memory_mb, "limits of fleet.yaml"
    has = _least(_fact(target, "memory_mb"))
    if has is None:
        return None, f"no limit, as targets/{target.file.name} does not say how much it has"
    free = has - max(_LEAST_FOR_SYSTEM_MB, has // 4) - brokers_mb
    if free < 16 * apps:
        return None, f"no limit, as {has} MiB are too few to share out"
    return free // apps, f"{has} MiB less a quarter for the system"


def _cpus(target: Target, node: Node) -> tuple[float | None, str]:
    if node.limits.cpu_percent:
        return node.limits.cpu_percent / 100, "limits of fleet.yaml"
    cores = _least(_fact(target, "cores"))
    if cores is None:
        return None, f"no limit, as targets/{target.file.name} does not say how many it has"
    return (cores - 0.5 if cores > 1 else 0.8), f"{cores}, less some for the system"


def _fact(target: Target, name: str) -> Any:
    known = target.about.facts.known().get(name)
    return known.value if known else None


def _least(value: Any) -> int | None:
    """The smallest of what the target is sold with; a fact that is no number says nothing."""
    values = value if isinstance(value, list) else [value]
    numbers = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0]
    return min(numbers) if numbers and len(numbers) == len(values) else None
