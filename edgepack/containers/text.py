"""Data → YAML that reads the same in YAML 1.1 and 1.2, in the order it was given, the same on every run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

MADE = "# Made by edgepack"
# What every reader takes for text without quotes. 1e3 is a number in YAML 1.2 only, `y` true in 1.1 only.
_PLAIN = re.compile(r"(?![yYnN]$)(\./)?[A-Za-z/][A-Za-z0-9/._-]*(:[A-Za-z0-9/._-]+)*", re.ASCII)

_TEXT = "tag:yaml.org,2002:str"


class _Dumper(yaml.SafeDumper):
    """Blocks indented below their key, as people write them; no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _resolved(dumper: yaml.SafeDumper, value: str) -> str:
    tag: str = dumper.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return tag


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    lines = value.splitlines(keepends=True)
    if len(lines) > 1 and all(
        line.isascii() and line.endswith("\n") and line[:-1].isprintable() for line in lines
    ):
        return dumper.represent_scalar(_TEXT, value, style="|")  # a file in a file
    plain = _PLAIN.fullmatch(value) and _resolved(dumper, value) == _TEXT
    return dumper.represent_scalar(_TEXT, value, style=None if plain else '"')


_Dumper.add_representer(str, _string)


def comment(lines: Sequence[str]) -> str:
    """Lines as a comment; whatever is in them stays in it."""
    safe = ["".join(c if c.isprintable() else "?" for c in line) for line in lines]
    return "".join(f"# {line}\n" if line else "#\n" for line in safe)


def document(data: Any, header: Sequence[str]) -> str:
    """One YAML document below its header, of which the first line says who made it from what."""
    first, *rest = header
    body = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=False)
    return comment([f"{MADE.removeprefix('# ')} {first}", *rest]) + body


def without_interpolation(data: Any) -> Any:
    """For Compose, which replaces `$NAME` in every value: each `$` doubled."""
    if isinstance(data, str):
        return data.replace("$", "$$")
    if isinstance(data, dict):
        return {key: without_interpolation(value) for key, value in data.items()}
    return [without_interpolation(item) for item in data] if isinstance(data, list) else data
