"""What a person should know of a box before a bundle goes there, and does not keep it from going."""

from __future__ import annotations

import time
from collections.abc import Iterator

from edgepack.box.facts import Facts
from edgepack.bundle import Bundle
from edgepack.ship import licence, model_key, needs
from edgepack.ship.preflight import mib

SKEW_S = 120  # a clock that is off by more is told


def told(bundle: Bundle, facts: Facts) -> tuple[str, ...]:
    """What does not keep a bundle from the box, and a person should know before it goes there."""
    compared = needs.compare(bundle.release, facts, bundle.target)
    unknown = [found.what for found in compared if found.verdict == "unknown"]
    of_licence = licence.note(bundle.name, bundle.release, facts)
    return (
        *([of_licence] if of_licence else []),
        *([of_key] if (of_key := model_key.note(bundle.release)) else []),
        *(found.what for found in compared if found.verdict == "other"),
        *([f"not compared: {'; '.join(unknown)}"] if unknown else []),
        *_clock(facts),
    )


def beside(bundle: Bundle, facts: Facts) -> tuple[str, ...]:
    """The other apps of the box: its memory is theirs too."""
    others = [f"{app} ({release[:12]})" for app, release in facts.current.items() if app != bundle.name]
    free = f", {mib(facts.memory_available)} of memory are free" if facts.memory_available is not None else ""
    return (f"beside it on the box: {', '.join(sorted(others))}{free}",) if others else ()


def _clock(facts: Facts) -> Iterator[str]:
    if facts.clock is None:
        return
    ahead = facts.clock - int(time.time())
    if abs(ahead) >= SKEW_S:
        words = "ahead of" if ahead > 0 else "behind"
        yield f"the box's clock is {_long(abs(ahead))} {words} this host's: its logs and records are dated so"


def _long(seconds: int) -> str:
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} seconds"
