"""A program's own words on a box, and the box's journal of what was done to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError
from edgepack.box.session import Box
from edgepack.observe.errors import NoLogError
from edgepack.observe.status import of

FOLLOW_S = 86_400

Which = Literal["log", "journal"]

_OURS = re.compile(r"\d{4}-\d\d-\d\dT[\d:]{8}Z edgepack: (release \w+ starts)?")  # `note` of program.sh


@dataclass(frozen=True)
class Wanted:
    """What to show: the last ``lines``, and with ``follow`` those that come, for a day."""

    which: Which = "log"
    lines: int = 100
    follow: bool = False


def logs(
    endpoint: Endpoint, app: str, wanted: Wanted = Wanted(), remark: Callable[[str], None] = lambda _: None
) -> Generator[str, None, None]:
    """The lines, until the iterator is closed.

    remark: told once, after what is there already, where the program has said nothing since its start.
    Raises NoLogError where there is none, UnreachableError, HostKeyError.
    """
    with Box(endpoint) as box:
        try:
            yield from _lines(box, app, wanted, remark)
        except BoxError as error:
            if error.kind != "missing":
                raise
            raise NoLogError(
                f"{app} has no {wanted.which} on this box yet",
                where=endpoint.where,
                fix="deploy it first: edgepack deploy",
            ) from error


def _lines(box: Box, app: str, wanted: Wanted, remark: Callable[[str], None]) -> Generator[str, None, None]:
    silence = _Silence()
    judged = wanted.which == "journal" or wanted.lines == 0
    words = (app, wanted.which, str(wanted.lines), str(FOLLOW_S if wanted.follow else 0))
    for line in box.stream("logs", *words):
        if line.startswith("="):
            silence.feed(line[1:])
            yield line[1:]
        elif not judged:  # a sign of life: what was there has come
            judged = True
            silence.tell(box, app, remark)
    if not judged:
        silence.tell(box, app, remark)


@dataclass
class _Silence:
    """Whether the program has said anything since it was started last."""

    is_so: bool | None = None  # None before the first line

    def feed(self, line: str) -> None:
        ours = _OURS.match(line)
        self.is_so = bool(ours and (ours[1] or self.is_so))

    def tell(self, box: Box, app: str, remark: Callable[[str], None]) -> None:
        if self.is_so is False:
            return
        now = of(box.endpoint.node, app, box.call("status", app))
        since = "" if now.since is None else f" since {_time(now.since)}"
        how = f"it runs{since}" if now.running else f"{now.state}: {now.why}"
        remark(f"{app} has said nothing since it was started; {how}")


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
