"""What can go wrong between here and a cluster, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgepack.box.errors import PreflightError
from edgepack.errors import EdgepackError, Exit


class ServerRefusedError(PreflightError):
    """The API server does not take what was asked: no permission, a wrong form, a kind it does not know."""

    def __init__(
        self, what: str, *, code: int = 0, causes: Sequence[tuple[str, str]] = (), **rest: Any
    ) -> None:
        super().__init__(what, **rest)
        self.code = code
        self.causes = tuple(causes)  # field and sentence, where a field is another manager's


class OwnerConflictError(PreflightError):
    """Fields of an object in the cluster are somebody else's. Nothing was changed."""


class RolloutError(EdgepackError):
    """The objects were taken, and their pods did not become ready."""

    exit_code = Exit.DEPLOY
