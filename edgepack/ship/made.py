"""What only the box can make of a model, made there while the release is staged: before any switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.ship.errors import DeployError

MOST_S = 86400
_WHY = {
    "4": "a file of the release is not what it was",
    "5": "the program that makes it, or the device that it is for, is not on the box",
    "6": "a step failed",
    "12": "the box could not write it",
    "124": "it was not done in time",
    "137": "it was ended by force, most often for want of memory",
}


@dataclass(frozen=True)
class OnBox:
    """Of a ``release.json``: the files that the box makes, and how long that may take."""

    files: tuple[str, ...]
    seconds: int

    @staticmethod
    def of(release: Mapping[str, Any]) -> OnBox | None:
        """None where the box makes nothing."""
        said = release.get("on_box")
        if not isinstance(said, Mapping):
            return None
        files, seconds = said.get("makes"), said.get("timeout_s")
        if not isinstance(files, list) or not files or not all(isinstance(name, str) for name in files):
            return None
        if not isinstance(seconds, int) or not 1 <= seconds <= MOST_S:
            seconds = 3600
        return OnBox(tuple(files), seconds)


def make(box: Box, token: str, app: str, release: str, about: Mapping[str, Any]) -> str:
    """Have the box make what its release lacks; what it said of that, or "" where nothing is made.

    Raises MakeError: the old release runs on. A cut link ends it, and the next deploy begins anew, or takes
    what was finished.
    """
    wanted = OnBox.of(about)
    if wanted is None:
        return ""
    lines = box.call("make", token, app, release, str(wanted.seconds), *wanted.files)
    status = next((line.removeprefix("exit ") for line in lines if line.startswith("exit ")), "")
    said = [line[1:] for line in lines if line.startswith("=")]
    if not status.isdigit():
        raise BoxError("the box did not say how make-engine.sh ended", "make", where=box.endpoint.where)
    if status == "0":
        return next((line for line in said if line.startswith("make-engine: ")), "")
    told = dict(line.strip().split(": ", 1) for line in said if line.startswith(("  why: ", "  fix: ")))
    log = [line.removeprefix("! ") for line in lines if line.startswith("! ")]
    fix = told.get("fix", "")
    raise MakeError(
        f"the box could not make {', '.join(wanted.files)}",
        where=box.endpoint.where,
        why=told.get("why") or _WHY.get(status, f"make-engine.sh ended with {status}"),
        fix=fix if fix and "make-engine.log" not in fix else "look at its words below",
        detail="\n".join([*said, *log]),
    )


class MakeError(DeployError):
    """What only the box can make was not made there. Nothing was switched."""
