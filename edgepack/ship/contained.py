"""A release in a container, where the node says `runs: compose`: its file, and whether the box can run it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import Facts
from edgepack.box.session import Box
from edgepack.ship.preflight import Refusal

PROCESS = "process -"  # what a box runs an app as where nothing else was ever said
NONE = "none"  # the image without a file, which the box makes


@dataclass(frozen=True)
class Contained:
    """``file``: the text of its Compose file; ``base``: the image below the release, or NONE."""

    file: str
    base: str = NONE


def way(endpoint: Endpoint, contained: Contained | None) -> str:
    """How an app is to run, in two words that change with whatever the box has to be told anew."""
    if endpoint.runs == "compose" and contained is not None:
        return f"compose {hashlib.sha256(contained.file.encode()).hexdigest()[:16]}"
    if endpoint.runs == "systemd":
        return f"systemd {endpoint.memory_mb}-{endpoint.cpu_percent}"
    return PROCESS


def known(facts: Facts, app: str) -> str:
    """What the box was last told, in such words."""
    told = facts.runs.get(app, PROCESS)
    return PROCESS if told.startswith("process") else told


def refusals(box: Box, contained: Contained | None) -> tuple[Refusal, ...]:
    """Why the box cannot run a container, asked of its engine; changes nothing."""
    if contained is None:
        return ()
    said = dict(line.partition(" ")[::2] for line in box.call("engine", contained.base))
    engine = said.get("engine", "-")
    if engine.startswith("-"):
        return (
            Refusal(
                f"`runs: compose`: docker does not answer there: {engine[1:].strip()}",
                "install and start docker, let the account use it (group docker), or set `runs: process`",
            ),
        )
    if said.get("compose", "-") == "-":
        return (
            Refusal(
                f"`runs: compose`: docker {engine} is there, and neither `docker compose` nor docker-compose",
                "install docker-compose-plugin or docker-compose (1.29 or newer), or set `runs: process`",
            ),
        )
    if said.get("base") == "no":
        return (
            Refusal(
                f"the box has no image {contained.base}, the node's `base`",
                f"on the box: docker pull {contained.base}, or docker load of its archive",
            ),
        )
    return ()


def step(contained: Contained | None) -> str:
    """What a dry run says of it."""
    if contained is None:
        return ""
    over = "an image without a file" if contained.base == NONE else contained.base
    return f"run it by Compose, in a container over {over}"


def looked_after(
    box: Box, token: str, app: str, release: str, wanted: str, contained: Contained | None
) -> None:
    """Have the app run that way from its next start on.

    Raises BoxError where there is no systemd or engine that this account may use; nothing was switched then.
    """
    where = box.endpoint
    kind, _, stamp = wanted.partition(" ")
    limits = (str(where.memory_mb), str(where.cpu_percent))
    file = [contained.file.encode()] if contained else []
    box.call("runs", token, app, kind, *limits, stamp, release, stdin=file)
