"""What this machine itself refuses: a full disk, a file that may not be read or written.

Any step may meet it, in any library, so it is told apart here from edgepack's own faults.
"""

from __future__ import annotations

import errno
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools import disk

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def refusal(error: OSError) -> ToolError | None:
    """The error for people, or None where it is none of this machine's."""
    why = error.strerror or str(error)
    where = str(error.filename or "")
    if error.errno in _FULL:
        return ToolError(
            "no space is left on this machine's disk",
            where=where or ", ".join(disk.full(Path.cwd())),
            why=why,
            fix="free some there; what was finished is kept, and the same command goes on from it",
        )
    if error.errno in _FORBIDDEN:
        return ToolError(
            "this machine does not let edgepack use a file or folder of its own",
            where=where,
            why=why,
            fix=f"look at its owner and mode: ls -ld {where}" if where else "",
        )
    return None
