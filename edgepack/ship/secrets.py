"""A node's secrets, on their way to files of mode 0600 on the box, and nowhere else.

They go over stdin, never in words of a command; no error, log or report has them.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from edgepack.box.session import Box
from edgepack.manifest.secret_values import MAX_SECRET, MAX_SECRETS, Secret, argv, resolve

__all__ = ["MAX_SECRET", "MAX_SECRETS", "Secret", "argv", "resolve", "send"]


def send(box: Box, token: str, app: str, secrets: Mapping[str, Secret]) -> bool:
    """Bring them all, in the place of those that are there; whether they were others.

    Raises BoxError, and PreflightError where the box has no room.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, secret in sorted(secrets.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(secret.reveal()), 0o600
            tar.addfile(info, io.BytesIO(secret.reveal()))
    said = box.call("secrets", token, app, str(len(secrets)), stdin=[archive.getvalue()])
    return "secrets changed" in said
