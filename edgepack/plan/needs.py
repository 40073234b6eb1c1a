"""What a bundle asks of a box beside its architecture and libc: into ``release.json``, for the preflight."""

from __future__ import annotations

from typing import Any

from edgepack.catalog.runtimes import LINKED
from edgepack.catalog.vendor_runtimes import vendor_of
from edgepack.plan.step import Choice


def needs_of(choice: Choice) -> dict[str, Any]:
    """The chip by the names that a device tree has, and the versions that the target and the recipe declare.

    A runtime that travels with the program asks for no version of anything. Empty where nothing is asked for.
    """
    facts = choice.target.about.facts.known()
    found: dict[str, Any] = {
        name: {"value": facts[name].value, "source": facts[name].source}
        for name in ("compatible", "kernel")
        if name in facts
    }
    vendor = vendor_of(choice.runtime, choice.target.chip)
    if LINKED.get(choice.runtime) == "box" and not (vendor and vendor.brings):
        about = choice.recipe.about
        if about.loads_on is not None:
            found["runtime"] = {
                "name": about.loads_on.runtime,
                "versions": about.loads_on.versions,
                "source": about.loads_on.source,
                "recipe": choice.recipe.id,
                "tool": about.tool,
            }
        if "versions" in facts:
            found["versions"] = {"value": facts["versions"].value, "source": facts["versions"].source}
    return found
