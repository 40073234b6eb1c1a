"""A program's own words on a box, and the box's journal of what was done to it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.observe.errors import NoLogError

FOLLOW_S = 86_400

Which = Literal["log", "journal"]


def logs(
    endpoint: Endpoint, app: str, which: Which = "log", lines: int = 100, follow: bool = False
) -> Generator[str, None, None]:
    """The last lines, and with ``follow`` those that come, for a day or until the iterator is closed.

    Raises NoLogError where there is none, UnreachableError, HostKeyError.
    """
    with Box(endpoint) as box:
        try:
            for line in box.stream("logs", app, which, str(lines), str(FOLLOW_S if follow else 0)):
                if line.startswith("="):
                    yield line[1:]
        except BoxError as error:
            if error.kind != "missing":
                raise
            raise NoLogError(
                f"{app} has no {which} on this box yet",
                where=endpoint.where,
                fix="deploy it first: edgepack deploy",
            ) from error
