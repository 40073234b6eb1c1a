"""What goes wrong between the generated project and a program that loads on the target."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit


class CompileError(EdgepackError):
    """The C++ did not compile or link; ``detail`` holds the compiler's own words."""

    exit_code = Exit.COMPILE


class LoadError(EdgepackError):
    """The program would not start on the target: wrong architecture, too new a libc, a library missing."""

    exit_code = Exit.COMPILE


class ParityError(EdgepackError):
    """The compiled program does not compute what the trained model does."""

    exit_code = Exit.PARITY
