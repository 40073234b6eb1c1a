"""What a deploy did, or would do: data for the screen, for ``--json`` and for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

Progress = Callable[[str, int, int], None]  # stage, done, total (bytes; 0 and 0 where none are counted)

DEPLOYED = "deployed"
RESTARTED = "started again"
NOTHING = "nothing to do"
ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class DeployReport:
    """One box after a deploy or a rollback that succeeded."""

    node: str
    app: str
    version: str
    release: str  # 64 hexadecimal digits
    previous: str | None  # what a rollback would go back to
    outcome: str
    bytes_sent: int = 0  # as they went over the link
    files_sent: int = 0
    sent_as: str = "files"  # "parcels", or "files: " and why not
    signed_by: str = ""  # the name of the key that the box found it signed with; empty: it is not enrolled
    starts_at_boot: str = ""  # by what: "systemd", "cron"; empty: it does not
    boot_line: str = ""  # what to add to the box's start-up by hand, where edgepack may not
    bytes_total: int = 0  # of the whole release
    files_total: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage → s, in order
    proof: Mapping[str, Any] | None = None  # the program's own report on its golden vectors
    proof_summary: str = ""
    paused_s: int = (
        0  # for so long what ran before was paused for that, where the box cannot hold two programs
    )
    status: Mapping[str, Any] | None = None  # what the program said of itself when it was confirmed

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class DeployPlan:
    """What a deploy would do to a box as it is now. Sizes: before compression, but ``bytes_on_link``."""

    node: str
    app: str
    version: str
    release: str
    current: str | None
    bytes_to_send: int
    files_to_send: int
    bytes_total: int
    files_total: int
    steps: tuple[str, ...]
    bytes_on_link: int | None  # what will be sent, where it is known beforehand
    refusals: tuple[str, ...]  # why the deploy would be refused; empty when it would go ahead
    notes: tuple[str, ...] = ()  # what a person should know of the box, and does not keep it from going ahead

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


class Clock:
    """Tells which stage begins, and how long each took."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside as ``name``, also where it fails."""
        self.progress(name, 0, 0)
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)


def quiet(stage: str, done: int, total: int) -> None:
    """The progress of those who want none."""
