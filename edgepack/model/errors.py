"""What can be wrong with a model's files and with its proof."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class GoldenError(EdgepackError):
    """The golden vectors cannot be read, or lack what they must hold."""

    exit_code = Exit.MODEL


class ExternalDataError(EdgepackError):
    """A model keeps weights in a file that is not there, or not where it may be."""

    exit_code = Exit.MODEL


class BlocksError(EdgepackError):
    """The project's own `pre` or `post` does not take what it is given."""

    exit_code = Exit.INPUT
