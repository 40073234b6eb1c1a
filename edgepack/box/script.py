"""The one script that works on the box, put together from its parts, and how it is called.

It is sent over stdin, never as an argument: dropbear refuses command lines of more than 9000 bytes.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from functools import cache
from importlib import resources

PARTS = (
    "core",
    "probe",
    "versions",
    "device",
    "lock",
    "store",
    "parcels",
    "trust",
    "secrets",
    "release",
    "make",
    "hook",
    "pause",
    "program",
    "runs",
    "systemd",
    "compose",
    "switch",
    "boot",
    "show",
    "main",
)
READS = frozenset({"probe", "check", "chunks", "engine", "status", "logs", "answers"})  # change nothing
GREETING = "edgepack-box 1"  # the first line the script prints
_ROOT = re.compile(
    r"(?!-|~)/?(?!\.{0,2}(?:/|\Z))[^/\x00-\x1f\x7f]+(?:/(?!\.{0,2}(?:/|\Z))[^/\x00-\x1f\x7f]+)*"
)
_CALL = 'main "$@"\n'

# Kept only when it came whole: a link may be cut in the middle of it.
_INSTALL = (
    'mkdir -p "$1" && cat >"$1/.$2.$$" && [ "$(wc -c <"$1/.$2.$$")" -eq "$3" ] '
    '&& mv -f "$1/.$2.$$" "$1/$2" && exit 0; rm -f "$1/.$2.$$"; exit 1'
)


@cache
def text() -> bytes:
    """The whole script."""
    folder = resources.files("edgepack.box") / "sh"
    return b"\n".join((folder / f"{part}.sh").read_bytes() for part in PARTS) + _CALL.encode()


@cache
def name() -> str:
    """Its file name on the box, which changes with its content."""
    return f"box-{hashlib.sha256(text()).hexdigest()[:12]}.sh"


def install(root: str) -> str:
    """The command that stores the script, which comes on stdin, below ``root``."""
    return shlex.join(["sh", "-c", _INSTALL, "sh", f"{_checked(root)}/bin", name(), str(len(text()))])


def present(root: str) -> str:
    """The command that succeeds where the script is stored below ``root``."""
    return shlex.join(["test", "-f", f"{_checked(root)}/bin/{name()}"])


def stored(root: str, noun: str, arguments: Sequence[str]) -> str:
    """The command that calls the stored script."""
    return shlex.join(["sh", f"{_checked(root)}/bin/{name()}", root, noun, *arguments])


def piped(root: str, noun: str, arguments: Sequence[str]) -> str:
    """The command that calls the script as it comes on stdin (``piped_text``), storing nothing."""
    return shlex.join(["sh", "-s", _checked(root), noun, *arguments])


def piped_text(lines: bytes) -> bytes:
    """What to send to ``piped``: the script, with ``lines`` as what its noun reads.

    ``lines``: words and digests only; the marker that ends them cannot be among those.
    """
    marker = "--edgepack--"
    if lines and not lines.endswith(b"\n"):
        lines += b"\n"
    body = text().removesuffix(_CALL.encode())
    return body + f"main \"$@\" <<'{marker}'\n".encode() + lines + f"{marker}\n".encode()


def _checked(root: str) -> str:
    if not _ROOT.fullmatch(root):
        raise ValueError(f"not a plain folder on a box: {root!r}")
    return root
