"""What CI's slices of the long campaigns are drawn by: the commit, so that each one draws others."""

from __future__ import annotations

import os

from edgepack.tools.runner import command, run

from .project import DIGITS

VARIABLE = "EDGEPACK_LAB_SEED"


def of_this_run() -> str:
    """``EDGEPACK_LAB_SEED``, else the commit's first 12 digits, else `none`."""
    said = run(command("git", "rev-parse", "--short=12", "HEAD", cwd=DIGITS))
    return os.environ.get(VARIABLE) or said.stdout.decode().strip() or "none"
