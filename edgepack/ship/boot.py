"""Whether the programs start with the box, said before anything is changed on it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import Facts
from edgepack.box.session import Box


@dataclass(frozen=True)
class Boot:
    """What starts the programs with the box, and what a person would have to add where nothing does."""

    way: str = ""
    line: str = ""


def beforehand(endpoint: Endpoint, facts: Facts) -> tuple[str, ...]:
    """A sentence where the box would not start its programs after a restart, with the line to add."""
    installed, _, possible = facts.boots.partition(" ")
    if not endpoint.at_boot or installed != "no" or possible != "none":
        return ()
    line = f"sh {shlex.quote(f'{facts.root}/bin/boot.sh')}"
    nothing = f"{facts.user} may write to nothing there that starts programs"
    ways = "systemd, OpenRC, sysvinit, busybox's rcS, cron"
    return (f"it will not start with the box: {nothing} ({ways}); add to its start-up, by hand: {line}",)


def step(endpoint: Endpoint, facts: Facts) -> tuple[str, ...]:
    """What a dry run says of the box's next start; nothing where that is seen to, or not wanted."""
    installed, _, possible = facts.boots.partition(" ")
    if not endpoint.at_boot or installed != "no":
        return ()
    return (f"have {possible} start it with the box",) if possible != "none" else beforehand(endpoint, facts)


def enable(box: Box, token: str) -> Boot:
    """Have the box start its programs when it starts, where the fleet allows it."""
    if not box.endpoint.at_boot:
        return Boot()
    said = dict(line.partition(" ")[::2] for line in box.call("enable", token))
    way = said.get("boots", "no")
    script = said.get("line", "").removeprefix("sh ")
    return Boot(way if way != "no" else "", f"sh {shlex.quote(script)}" if script else "")
