"""What all of the user's files share: strictness, names that are safe in a path and in a shell."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and unknown keys are refused: a misspelt key must never be silently without effect."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="strings")


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if not value or "\0" in value or "\n" in value:
        raise ValueError("this is not a path")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a path must be relative and stay inside the project")
    return _short(value)


def _somewhere(value: str) -> str:
    if not value.strip() or "\0" in value or "\n" in value:
        raise ValueError("this is not a path")
    return _short(value)


def _short(value: str) -> str:
    """Linux's own limits, from limits.h: NAME_MAX, and room for the project's folder in PATH_MAX."""
    names = value.encode("utf-8", "surrogatepass").split(b"/")
    if max(map(len, names)) > 255 or sum(map(len, names)) + len(names) > 2048:
        raise ValueError("this is too long for a path: 255 bytes for each name in it, 2048 in all")
    return value


def matching(pattern: str, sentence: str) -> AfterValidator:
    """A check of text whose message is a sentence, since nobody should have to read a pattern."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"{sentence} (it says {value!r})")
        return value

    return AfterValidator(check)


Name = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "this must be at most 63 lower-case letters, digits and hyphens, as it becomes a file's name",
    ),
]
TargetId = Annotated[
    str, matching(r"[a-z0-9][a-z0-9._-]{0,62}", "a target's id has only lower-case letters, digits, . _ -")
]
NodeName = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a node's name has only letters, digits, . _ -")
]
Version = Annotated[
    str, matching(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}", "a version has only letters, digits, . + -")
]
Entry = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*",
        "this must be the name of a C++ function, like `decode` or `mine::decode`",
    ),
]

InsidePath = Annotated[str, AfterValidator(_inside)]
"""Relative, with forward slashes, never leading out of the folder it is relative to."""

AnyPath = Annotated[str, AfterValidator(_somewhere)]
"""Anywhere on this machine, relative to the project or not."""

AbsolutePath = Annotated[
    str,
    matching(
        r"/[A-Za-z0-9 /._+@%=,~-]*",
        "this must be a whole path, from / on, of letters, digits, blanks and ./_+-@%=,~",
    ),
]
"""Somewhere on this machine; without what a shell, CMake or a list of paths reads as its own."""

PrecisionName = Literal[
    "fp32", "fp16", "bf16", "int8", "int8-dynamic", "w8", "int16x8", "uint8", "int16", "int4"
]
"""Weights and activations; ``int8-dynamic`` finds the activations' ranges on the box, ``w8`` is weights
alone, ``int16x8`` has 16-bit activations."""
