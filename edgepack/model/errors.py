"""What can be wrong with the proof of a model."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class GoldenError(EdgepackError):
    """The golden vectors cannot be read, or lack what they must hold."""

    exit_code = Exit.MODEL
