"""The release's own scripts around the switch: run on the box, in a time, their words in its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.ship.errors import DeployError

BEFORE, AFTER, HEALTHY = "before-switch", "after-switch", "healthy"


class HookError(DeployError):
    """A script of the release failed around the switch."""


@dataclass(frozen=True)
class Hooks:
    """Seconds that each may take; 0 where there is none."""

    before: int = 0
    after: int = 0
    healthy: int = 0

    @staticmethod
    def of(release: Mapping[str, Any]) -> Hooks:
        """Of a ``release.json``."""
        said = release.get("hooks")
        said = said if isinstance(said, Mapping) else {}
        seconds = [said.get(name, 0) for name in (BEFORE, AFTER, HEALTHY)]
        return Hooks(*(each if isinstance(each, int) and 0 <= each <= 3600 else 60 for each in seconds))


def run(box: Box, token: str, app: str, release: str, which: str, seconds: int) -> None:
    """Run one. Raises HookError, with what it printed."""
    lines = box.call("hook", token, app, release, which, str(seconds))
    status = next((line.removeprefix("exit ") for line in lines if line.startswith("exit ")), "")
    if status == "0":
        return
    if not status.isdigit():
        raise BoxError("the box did not say how the hook ended", "hook", where=box.endpoint.where)
    ended = f"it was not done after {seconds} s" if status == "124" else f"it ended with {status}"
    raise HookError(
        f"the release's hook `{which}` failed on the box",
        where=box.endpoint.where,
        why=f"{ended}; nothing was switched" if which == BEFORE else ended,
        fix="look at its words below: they are in the box's journal too (edgepack logs NODE --journal)",
        detail="\n".join(line.removeprefix("! ") for line in lines if line.startswith("! ")),
    )
