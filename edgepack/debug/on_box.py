"""The commands of a debug session on a box, as words for its shell; and what its failures are here."""

from __future__ import annotations

import shlex
from functools import cache
from importlib import resources

from edgepack.box.errors import from_box
from edgepack.debug.errors import DebugError
from edgepack.errors import EdgepackError

LEASH_S = 60  # without a word for so long, the box takes us for gone
WORD_S = 5.0  # how often one is said
READY = b"ready\n"
_FAILED = "edgepack-error "
_SAID = "! "  # before a line of gdbserver's


@cache
def text() -> str:
    """The script, which goes to the box as an argument."""
    return (resources.files("edgepack.debug") / "on_box.sh").read_text()


def line(root: str, token: str, does: str, *arguments: str) -> str:
    """A command line for the box: one of the script's ``do_…``."""
    return shlex.join(["sh", "-c", text(), "sh", root, token, does, *arguments])


def failure(said: str, where: str) -> EdgepackError:
    """The error in what came on stderr."""
    words = said.splitlines()
    for sentence in words:
        if sentence.startswith(_FAILED):
            kind, _, rest = sentence.removeprefix(_FAILED).partition(" ")
            return from_box(kind, rest, where)
    theirs = "\n".join(word.removeprefix(_SAID) for word in words if word.startswith(_SAID))
    if "Operation not permitted" in theirs:
        return DebugError(
            "gdbserver cannot attach to the program",
            where=where,
            why="the box's kernel refuses ptrace: a security module, a container's seccomp, another account",
            fix="log in as root for this (`user:` of the node), or as the account that the program runs as",
            detail=theirs,
        )
    detail = (theirs or said)[-2000:].strip()
    return DebugError("gdbserver does not start on the box", where=where, detail=detail)
