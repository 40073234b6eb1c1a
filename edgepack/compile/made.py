"""A source or a sink that is made by a function of the program's."""

from __future__ import annotations

from dataclasses import dataclass

from edgepack.compile.quoting import Literal


@dataclass(frozen=True)
class Made:
    """A source or a sink that is not a file: ``function(data, {says…})`` makes it.

    header: below ``src/``, declares the function and the struct that it takes. says: the struct's fields
    in their order, each with its name. files: what it is compiled from.
    """

    function: str
    header: str
    says: tuple[tuple[str, Literal], ...]
    files: tuple[str, ...] = ()
    path: str = ""  # what it writes below the data folder
    tensors: tuple[str, ...] = ()  # outputs of the model that it asks for
