"""Protobuf's text format, as Caffe's ``.prototxt`` is written, without its schema.

The format: "Text Format Language Specification" of Protocol Buffers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepack_recipe import Refused

MAX_BYTES = 16 << 20
DEEPEST = 32
TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<word>[A-Za-z_][\w.]*)|(?P<number>[-+]?(?:\d[\w.]*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf|nan))
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<sign>[{}<>:,;\[\]])""",
    re.VERBOSE,
)


@dataclass
class Message:
    """Fields in order, each a list of what was given: words, numbers, texts and messages."""

    line: int
    fields: dict[str, list[Any]] = field(default_factory=dict)

    def all(self, name: str) -> list[Any]:
        return self.fields.get(name, [])

    def get(self, name: str, default: Any = None) -> Any:
        """The last one given, as protobuf has it."""
        return self.fields.get(name, [default])[-1]

    def message(self, name: str) -> Message:
        """An empty one where it is not given."""
        found = self.get(name)
        return found if isinstance(found, Message) else Message(self.line)

    def messages(self, name: str) -> list[Message]:
        return [m for m in self.all(name) if isinstance(m, Message)]

    def flag(self, name: str, default: bool) -> bool:
        return str(self.get(name, default)).lower() in ("true", "1", "t")


def read(file: Path) -> Message:
    """Raises Refused where it is none."""
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        raise Refused("not-a-model", f"{file.name} is no Caffe prototxt", "it is no file of at most 16 MiB")
    try:
        text = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        what = f"{file.name} is no Caffe prototxt"
        raise Refused("not-a-model", what, "it is not text", "name the .prototxt in model.file") from None
    reader = _Reader(file.name, _tokens(file.name, text))
    return reader.body(Message(1), "", 0)


def _tokens(name: str, text: str) -> list[tuple[str, Any, int]]:
    found, at, line = [], 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Refused(
                "not-a-model", f"{name} is no Caffe prototxt", f"line {line}: {text[at : at + 20]!r}"
            )
        kind, said = match.lastgroup, match.group()
        if kind:
            found.append((kind, _value(kind, said), line))
        line += said.count("\n")
        at = match.end()
    return found


def _value(kind: str, said: str) -> Any:
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", said[1:-1])
    if kind != "number":
        return said
    try:
        return int(said, 0)
    except ValueError:
        try:
            return float(said.rstrip("f"))
        except ValueError:
            return said


class _Reader:
    def __init__(self, name: str, tokens: list[tuple[str, Any, int]]) -> None:
        self.name, self.tokens, self.at = name, tokens, 0

    def body(self, message: Message, end: str, depth: int) -> Message:
        """Fields up to ``end``; all there are where it is empty."""
        while True:
            kind, said, line = self.next(end == "")
            if said == end and kind in ("sign", "end"):
                return message
            if kind != "word" or depth > DEEPEST:
                raise self.wrong(line, f"{said} where the name of a field is expected")
            message.fields.setdefault(said, []).extend(self.values(depth))
            if self.at < len(self.tokens) and self.tokens[self.at][1] in (",", ";"):
                self.at += 1

    def values(self, depth: int) -> list[Any]:
        kind, said, line = self.next()
        if (kind, said) == ("sign", ":"):
            kind, said, line = self.next()
        if kind != "sign":
            return [said]
        if said in ("{", "<"):
            return [self.body(Message(line), "}" if said == "{" else ">", depth + 1)]
        if said != "[":
            raise self.wrong(line, f"{said} where a value is expected")
        found: list[Any] = []
        while True:
            kind, said, line = self.next()
            if (kind, said) == ("sign", "]"):
                return found
            if (kind, said) != ("sign", ","):
                found.append(said)

    def next(self, may_end: bool = False) -> tuple[str, Any, int]:
        if self.at < len(self.tokens):
            self.at += 1
            return self.tokens[self.at - 1]
        if may_end:
            return "end", "", 0
        raise self.wrong(self.tokens[-1][2] if self.tokens else 1, "it ends within a { … }")

    def wrong(self, line: int, why: str) -> Refused:
        return Refused("not-a-model", f"{self.name} is no Caffe prototxt", f"line {line}: {why}")
