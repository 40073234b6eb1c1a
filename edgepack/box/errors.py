"""What can go wrong between here and a box, each with what to do about it."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class UnreachableError(EdgepackError):
    """No connection to the box, or it broke, or what answers there is no SSH server."""

    exit_code = Exit.UNREACHABLE


class HostKeyError(EdgepackError):
    """The box shows a key that nobody vouched for, or another one than was known."""

    exit_code = Exit.HOST_KEY


class PreflightError(EdgepackError):
    """The box cannot take this: architecture, libc, room, permission. Nothing was changed on it."""

    exit_code = Exit.PREFLIGHT


class LockedError(EdgepackError):
    """Somebody else is working on the box."""

    exit_code = Exit.LOCKED


class BoxError(EdgepackError):
    """A step failed on the box. ``kind`` is the script's word for it (``bad-digest``, ``missing``)."""

    exit_code = Exit.DEPLOY

    def __init__(self, what: str, kind: str, *, where: str = "", fix: str = "", detail: str = "") -> None:
        super().__init__(what, where=where, fix=fix, detail=detail)
        self.kind = kind


_FIXES = {
    "permission": "give the account that folder, or set another `root:` for the node in fleet.yaml",
    "disk-full": "free some space on the box, or set `root:` to a folder on a larger file system",
    "locked": "wait until it is done; a lock whose holder died ends by itself within two minutes",
    "lost-lock": "another deploy took over; run this one again",
    "bad-digest": "run the same command again; if it stays, the link or the box's storage is faulty",
    "cut-off": "run the same command again; what came whole is not sent again",
    "too-late": "look at the program's log on the box, or raise `health.timeout`",
    "unsigned": "sign the bundle with a key of this box: edgepack sign --key KEY",
    "bad-signature": "sign the bundle with a key of this box: edgepack sign --key KEY",
    "downgrade": "where the older one is meant, sign it again: edgepack sign --key KEY",
    "not-checked": "look at the box's storage and at its mounts: it must be allowed to run programs",
    "no-systemd": "set `runs: process` for the node in fleet.yaml, or use an account that may write units",
    "no-engine": "install docker and Compose on the box, or set `runs: process` for the node in fleet.yaml",
    "engine": "look at docker on the box, or set `runs: process` for the node in fleet.yaml",
    "not-running": "deploy first, or look at the program's log on the box",
}
_PREFLIGHT = ("permission", "disk-full")


def from_box(kind: str, sentence: str, where: str) -> EdgepackError:
    """The error for a line ``edgepack-error KIND sentence`` of the box's script."""
    fix = _FIXES.get(kind, "")
    if kind in _PREFLIGHT:
        return PreflightError(sentence, where=where, fix=fix)
    if kind == "locked":
        return LockedError("somebody else is working on this box", where=where, why=sentence, fix=fix)
    return BoxError(sentence, kind, where=where, fix=fix)
