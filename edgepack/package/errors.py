"""What can go wrong when a bundle is made."""

from __future__ import annotations

from edgepack.errors import InputError, ToolError


class PackageError(InputError):
    """A file cannot go into a bundle: it cannot be read, or a bundle cannot hold it so."""


class CannotWrite(ToolError):
    """The folder for the bundle cannot be written: no space, or no permission."""


class NoticesMissing(ToolError):
    """The licence texts of something that is linked in are not where its package keeps them."""
