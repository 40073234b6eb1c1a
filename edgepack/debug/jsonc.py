"""JSON with comments, as editors have it: read with the places of its parts, added to, the rest untouched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null')
_DEEPEST = 100


class NotJsonc(Exception):
    """What is wrong, and on which line."""

    def __init__(self, text: str, at: int, what: str) -> None:
        self.line = text.count("\n", 0, at) + 1
        super().__init__(what)


@dataclass
class Part:
    """A value and where it stands. members: of an object; items: of a list; comma: after the last one."""

    begin: int
    end: int
    value: Any
    members: list[tuple[str, Part]] = field(default_factory=list)
    items: list[Part] = field(default_factory=list)
    comma: bool = False

    def parts(self) -> list[Part]:
        """What it holds."""
        return self.items or [part for _, part in self.members]

    def member(self, key: str) -> Part | None:
        """The one that counts: of several, the last."""
        return next((part for name, part in reversed(self.members) if name == key), None)


def read(text: str) -> Part:
    """The whole document. Raises NotJsonc."""
    part = _value(text, _past_space(text, 0), 0)
    end = _past_space(text, part.end)
    if end != len(text):
        raise NotJsonc(text, end, "there is more after its end")
    return part


def added(text: str, key: str, entries: Sequence[Mapping[str, Any]], name: str) -> tuple[str, list[str]]:
    """``text`` with entries in the list under ``key`` of its object, each told from others by ``name``.

    One that is there is left alone, whatever it says; the second result names those that say something else.
    All other bytes stay as they are. Raises NotJsonc, also where it is another kind of document.
    """
    root = read(text)
    if not isinstance(root.value, dict):
        raise NotJsonc(text, root.begin, "it is not an object")
    there = root.member(key)
    if there is None:
        whole = _indented({key: list(entries)}, 1, text)
        return _put(text, root, [whole[whole.index("{") + 1 : whole.rindex("}")].strip()], 1), []
    if not isinstance(there.value, list):
        raise NotJsonc(text, there.begin, f"{key} is not a list")
    known = {
        item.value[name]: item.value
        for item in there.items
        if isinstance(item.value, dict) and isinstance(item.value.get(name), str)
    }
    new = [_indented(entry, 2, text) for entry in entries if entry[name] not in known]
    other = [str(entry[name]) for entry in entries if known.get(entry[name], entry) != entry]
    return (_put(text, there, new, 2) if new else text), other


def _put(text: str, into: Part, words: Sequence[str], depth: int) -> str:
    """New parts before the closing bracket, on lines of their own; comments stay where they are."""
    ending = "\r\n" if "\r\n" in text else "\n"
    close = into.end - 1
    parts = into.parts()
    last = parts[-1].end if parts else into.begin + 1
    between = text[last:close]
    comma = "," if parts and not into.comma else ""
    before, after = text[:last] + comma + between.rstrip(), text[close:]
    joined = ("," + ending).join(_unit(text) * depth + each for each in words)
    return before + ending + joined + ending + _unit(text) * (depth - 1) + after


def _unit(text: str) -> str:
    """One step of indentation, as the file has it."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "    "


def _indented(value: Any, depth: int, text: str) -> str:
    unit = _unit(text)
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    ending = "\r\n" if "\r\n" in text else "\n"
    return (ending + unit * depth).join(lines)


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, depth: int) -> Part:
    if depth > _DEEPEST:
        raise NotJsonc(text, at, "it is nested too deeply")
    if text[at : at + 1] == "{":
        return _object(text, at, depth)
    if text[at : at + 1] == "[":
        part = Part(at, at, [])
        for place in _held(text, part, "]"):
            part.items.append(_value(text, place, depth + 1))
            part.end = part.items[-1].end
        part.value = [item.value for item in part.items]
        return part
    found = _SCALAR.match(text, at)
    if found is None:
        raise NotJsonc(text, at, "a value is missing" if at < len(text) else "it ends too early")
    try:
        return Part(at, found.end(), json.loads(found[0]))
    except ValueError as error:
        raise NotJsonc(text, at, str(error)) from error


def _object(text: str, at: int, depth: int) -> Part:
    part = Part(at, at, {})
    for place in _held(text, part, "}"):
        key = _value(text, place, depth + 1)
        colon = _past_space(text, key.end)
        if not isinstance(key.value, str) or text[colon : colon + 1] != ":":
            raise NotJsonc(text, place, "a key in quotes and a colon are missing")
        value = _value(text, _past_space(text, colon + 1), depth + 1)
        part.members.append((key.value, value))
        part.end = value.end
    part.value = {name: held.value for name, held in part.members}
    return part


def _held(text: str, part: Part, close: str) -> Iterator[int]:
    """Where each part of a list or an object begins. Who takes one sets ``part.end`` to its end."""
    at = _past_space(text, part.begin + 1)
    while text[at : at + 1] != close:
        if at >= len(text):
            raise NotJsonc(text, part.begin, f"what begins here has no {close}")
        part.comma = False
        yield at
        at = _past_space(text, part.end)
        if text[at : at + 1] == ",":
            part.comma = True
            at = _past_space(text, at + 1)
        elif text[at : at + 1] != close:
            raise NotJsonc(text, at, f"a comma or {close} is missing")
    part.end = at + 1
