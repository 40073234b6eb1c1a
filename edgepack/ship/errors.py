"""What can go wrong with a deploy once the box was reached. The old release still runs in each case."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class DeployError(EdgepackError):
    """The box refused the release, or it failed there."""

    exit_code = Exit.DEPLOY


class NotProvenError(DeployError):
    """The shipped program does not compute on the box what was trained, or could not show that it does."""


class UnhealthyError(DeployError):
    """The new release was switched to and did not become healthy; the box went back."""
