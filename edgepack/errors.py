"""Every deliberate failure of edgepack: its data, its exit code, and what the user can do about it.

Each package derives its own errors from these in a file of its own name (``ship/errors.py``);
nothing here prints or exits. ``edgepack.cli.main`` is the one place that turns an error into a
sentence on the screen and an exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class Exit:
    """Exit codes: one per kind of trouble, so that scripts can tell them apart."""

    OK = 0
    BUG = 1  # an unexpected exception: edgepack's own fault
    USAGE = 2  # the command line
    INPUT = 3  # a file the user wrote: manifest, fleet, target, data
    MODEL = 4  # the model file or its golden vectors
    TOOL = 5  # a tool, SDK, compiler or registry that is not here
    CONVERT = 6  # a converter refused or lied
    COMPILE = 7  # the C++ did not compile or link, or the binary would not load on the target
    PARITY = 8  # the outputs are not those of the trained model
    UNREACHABLE = 9  # no connection, or it broke
    HOST_KEY = 10  # the box is not the one that was known, or is unknown
    PREFLIGHT = 11  # the box cannot take this bundle: arch, disk, permission, libc
    DEPLOY = 12  # refused or failed on the box; the old release still runs
    LOCKED = 13  # somebody else is working on the box or the project
    LICENCE = 15  # of a program on a box: it has no licence that holds, and needs one
    KEY = 16  # of a program on a box: it has no key that opens its encrypted model
    INTERRUPTED = 130  # Ctrl-C


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file, at a place a person can go to.

    ``line`` is 1-based; ``path`` is the dotted path of the value (``targets.rk3588.precision``).
    """

    message: str
    file: str | None = None
    line: int | None = None
    path: str | None = None
    hint: str | None = None

    def place(self) -> str:
        """``file:line`` as editors and terminals make clickable, or what there is of it."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"


class EdgepackError(Exception):
    """Base of every deliberate failure.

    what: the sentence of what happened. why: the likely cause. fix: what to do about it.
    where: ``file:line``, a node, a step. detail: a tool's own words, shown indented.
    """

    exit_code: ClassVar[int] = Exit.BUG

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        fix: str = "",
        detail: str = "",
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix
        self.detail = detail
        self.problems = problems

    def as_dict(self) -> dict[str, object]:
        """The same facts for ``--json``."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "fix": self.fix,
            "detail": self.detail,
            "problems": [
                {
                    "message": p.message,
                    "file": p.file,
                    "line": p.line,
                    "path": p.path,
                    "hint": p.hint,
                }
                for p in self.problems
            ],
        }


class UsageError(EdgepackError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = Exit.USAGE


class InputError(EdgepackError):
    """A file the user wrote is wrong; ``problems`` holds every bad line at once."""

    exit_code = Exit.INPUT


class ToolError(EdgepackError):
    """A program, package or registry that is needed is not here, or does not work."""

    exit_code = Exit.TOOL
