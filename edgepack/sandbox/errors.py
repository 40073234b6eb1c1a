"""What can go wrong with a sandbox box."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit, InputError, UsageError


class SandboxError(EdgepackError):
    """The box cannot be had, or not be taken down, on this host."""

    exit_code = Exit.TOOL


class NodeNameError(InputError):
    """A node's name that cannot be a folder's name."""


class OtherBoxError(UsageError):
    """A box of this name is there already, and it is not the one that is asked for."""
