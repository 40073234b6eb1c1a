"""Deploy, every held-out image, update, and back, on the emulated arm64 board: done once, and recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import board_story
from .board import Board
from .board_story import Answers
from .power_cut import NONE, Recorder, Recording
from .site import NEW, OLD, Site


@dataclass(frozen=True)
class WholeWay:
    """The commands' reports, as ``--json`` gave them, and what the board's disk was told meanwhile."""

    first: Any
    answers: Answers
    second: Any
    back: Any
    recording: Recording


def done(board: Board, site: Site) -> WholeWay:
    """On a board booted once and without a release; fails where an answer is not the trained one."""
    recorder = Recorder(board, site)
    first = recorder.step("first deploy", NONE, OLD, lambda: site.deploy(OLD))
    site.answers(OLD)
    answers = board_story.answers(site)
    second = recorder.step("update", OLD, NEW, lambda: site.deploy(NEW))
    site.answers(NEW)
    back = recorder.step("rollback", NEW, OLD, lambda: site.said("rollback"))
    site.answers(OLD)
    return WholeWay(first, answers, second, back, recorder.recording())
