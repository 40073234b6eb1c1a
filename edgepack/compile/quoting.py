"""Values as C++ and CMake: a string is exactly its bytes, a number keeps every bit, a name is a name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TypeAlias, Union

from edgepack.errors import EdgepackError, InputError

Literal: TypeAlias = Union[str, bool, int, float, tuple["Literal", ...]]  # noqa: UP007 - it names itself

_ENTRY = re.compile(r"[A-Za-z_]\w*(::[A-Za-z_]\w*)*", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9]*", re.ASCII)
_CPP = (".cpp", ".cc", ".cxx")


def cpp_string(value: str) -> str:
    """A C++ string literal with exactly these characters, as UTF-8."""
    quoted = ""
    for byte in value.encode():
        plain = 0x20 <= byte < 0x7F and chr(byte) not in '"\\?'
        # Octal escapes end after three digits, hexadecimal ones do not; `??` would start a trigraph.
        quoted += chr(byte) if plain else f"\\{byte:03o}"
    return f'"{quoted}"'


def cpp_strings(values: Sequence[str]) -> str:
    """A brace list of string literals."""
    return "{" + ", ".join(cpp_string(v) for v in values) + "}"


def name(value: str) -> str:
    """A word of the manifest that is an enumerator's or a header's name too."""
    if not _WORD.fullmatch(value):
        raise InputError(f"{value!r} is not a word of lower-case letters and digits")
    return value


def cpp_name(value: str) -> str:
    """A project's own word as a C++ name, which is no keyword then."""
    return f"model_{entry(value)}"


def number(value: float) -> str:
    """A C++ ``double`` literal that is this number to the last bit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{value!r} is not a finite number")
    return repr(float(value))


def numbers(values: float | list[float]) -> str:
    """A brace list of doubles from one number or several."""
    listed = values if isinstance(values, (list, tuple)) else [values]
    if not listed:
        raise InputError("an empty list of numbers")
    return "{" + ", ".join(number(v) for v in listed) + "}"


def integer(value: int) -> str:
    """A C++ ``int`` literal, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise InputError(f"{value!r} is not a whole number that fits an int")
    return str(value)


def integers(values: tuple[int, ...]) -> str:
    """A brace list of ints."""
    return "{" + ", ".join(integer(v) for v in values) + "}"


def entry(value: str) -> str:
    """A C++ function's qualified name."""
    if not _ENTRY.fullmatch(value):
        raise InputError(f"{value!r} is not the name of a C++ function")
    return value


def c_name(value: str) -> str:
    """A project's name as the start of C names: ``box-counter`` → ``box_counter``."""
    name = value.replace("-", "_")
    if not _ENTRY.fullmatch(name):
        raise InputError(f"{value!r} cannot be made a C name")
    return name


def comment(value: str) -> str:
    """Text that stays inside a one-line comment: a backslash at the end would continue it."""
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in value)


def cmake_string(value: str) -> str:
    """A quoted CMake argument with exactly these characters."""
    if "\0" in value:
        raise EdgepackError("a NUL in a name")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace(";", "\\;")
    return f'"{escaped}"'


def cmake_path(value: str) -> str:
    """A quoted CMake argument for a file of the project. Raises InputError for what CMake cannot carry."""
    path = PurePosixPath(value)
    unfit = sorted({c for c in value if not c.isprintable() or c in ';"\\$<>|`[]'})
    why = ""
    if unfit:
        why = f"its path has {' '.join(map(repr, unfit))}, which CMake cannot carry"
    elif path.is_absolute() or ".." in path.parts:
        why = "it is not inside the project"
    elif path.suffix not in _CPP:
        why = f"C++ files end with {', '.join(_CPP)}"
    if why:
        raise InputError(f"a C++ file cannot be named {value!r}", why=why, fix="rename it")
    return f'"${{EDGEPACK_PROJECT}}/{path}"'


def literal(value: Literal) -> str:
    """A C++ literal of a value's own kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, tuple):
        return "{" + ", ".join(map(literal, value)) + "}"
    return cpp_string(value)


FILTERS = {
    function.__name__: function
    for function in (
        cpp_string,
        cpp_strings,
        cpp_name,
        name,
        number,
        numbers,
        integer,
        integers,
        literal,
        entry,
        comment,
        cmake_string,
        cmake_path,
        c_name,
    )
}
"""What a template may write values with."""
