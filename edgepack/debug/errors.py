"""What can keep a debugger from a program on a box, each with what to do about it."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class SymbolsError(EdgepackError):
    """The symbols of what runs are not here, or what was given is no debug file."""

    exit_code = Exit.INPUT


class NotDebuggableError(EdgepackError):
    """The box, or the state it is in, does not allow it. Nothing was changed."""

    exit_code = Exit.PREFLIGHT


class DebugError(EdgepackError):
    """gdbserver did not do it on the box."""

    exit_code = Exit.DEPLOY


class EditorError(EdgepackError):
    """An editor's file is of another form than it should be. Nothing was written."""

    exit_code = Exit.INPUT
