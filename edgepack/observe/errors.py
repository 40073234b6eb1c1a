"""What can go wrong with looking at a box that was reached."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class NoAnswerError(EdgepackError):
    """The running program did not answer in time, or cannot be asked."""

    exit_code = Exit.DEPLOY


class NoLogError(EdgepackError):
    """There is nothing to show yet."""

    exit_code = Exit.INPUT
