"""A YAML file → a model, or every bad line with its number and a hint.

Hostile files end here: size, depth and aliases are bounded, tags beyond YAML's core are refused, and
so are duplicate keys, which YAML readers silently let the last one win.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Tag, ValidationError

from edgepack.errors import InputError, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "map", "seq")}

M = TypeVar("M", bound=BaseModel)
Path_ = tuple[str | int, ...]


class Misfits(ValueError):
    """For a model's validator: what does not go together in it, each with its path below the model."""

    def __init__(self, *found: tuple[Path_, str]) -> None:
        super().__init__("; ".join(words for _, words in found))
        self.found = found


@dataclass(frozen=True)
class Document:
    """Plain data with the line that each value came from (1-based, by its path)."""

    file: Path
    shown: str  # the name as messages show it
    data: Any
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def line(self, path: Path_) -> int | None:
        """The line of a value, or of the nearest thing around it that has one."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None

    def problem(self, message: str, path: Path_ = (), hint: str | None = None) -> Problem:
        """A problem at the line where ``path`` stands."""
        return Problem(message, self.shown, self.line(path), dotted(path) or None, hint)

    def wrong(self, *problems: Problem, what: str | None = None) -> InputError:
        """One error for all problems, in the order of their lines."""
        ordered = tuple(sorted(problems, key=lambda p: (p.line or 0, p.path or "")))
        count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
        return InputError(what or f"{self.shown} has {count}", where=self.shown, problems=ordered)


def dotted(path: Path_) -> str:
    """``("pre", 0, "resize")`` → ``pre[0].resize``."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def read(file: Path, shown: str | None = None, most: int = MAX_BYTES) -> Document:
    """Read one YAML document of at most so many bytes.

    Raises InputError: not there, too large, not YAML, duplicate keys.
    """
    name = shown or file.name
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        above = next((p for p in file.absolute().parent.parents if (p / file.name).is_file()), "FOLDER")
        raise InputError(
            f"there is no {name}",
            where=str(file),
            why="" if above == "FOLDER" else f"there is one in {above}",
            fix=f"go to the project's folder, or name it: edgepack -C {above} …",
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        fix = f"look at its owner and mode: ls -ld {file}"
        raise InputError(f"cannot read {name}", where=str(file), why=why, fix=fix) from None
    if len(raw) > most:
        raise InputError(
            f"{name} is too large", where=str(file), why=f"{len(raw)} bytes; {most} are the limit"
        )
    return parse(raw, file, name, most)


def parse(raw: bytes, file: Path, shown: str, most: int = MAX_BYTES) -> Document:
    """The same from bytes."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(
            f"{shown} is not UTF-8 text", problems=(Problem("a byte that is not UTF-8", shown, line),)
        ) from None
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or "not YAML"
        hint = "tabs cannot indent YAML" if mark and text[mark.index : mark.index + 1] == "\t" else None
        problem = Problem(message, shown, mark.line + 1 if mark else None, None, hint)
        raise InputError(f"{shown} is not valid YAML", where=shown, problems=(problem,)) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{shown} is not valid YAML", where=shown, why=str(error)) from None
    builder = _Builder(shown, most // 5)
    if node is None:
        builder.lines[()] = 1  # an empty file: what is missing is missing at its beginning
    data = {} if node is None else builder.value(node, (), 0)
    document = Document(file, shown, data, builder.lines)
    if builder.problems:
        raise document.wrong(*builder.problems)
    return document


class _Builder:
    """Nodes → data, noting lines and what is wrong."""

    def __init__(self, shown: str, most: int) -> None:
        self.shown = shown
        self._most = most  # values, of which an alias can make many out of few bytes
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._count += 1
        if depth > MAX_DEPTH or self._count > self._most or id(node) in self._open:
            return self._bad(node, path, "nested too deeply, or an alias that multiplies itself")
        if node.tag not in _TAGS:
            # Dates and the like: what a person wrote as text stays text.
            if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:timestamp":
                return node.value
            return self._bad(node, path, f"the tag {node.tag} is not allowed")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path, depth)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.Node, path: Path_) -> Any:
        try:
            return self._scalars.construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            return self._bad(node, path, f"cannot be read: {error}")

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                self._bad(key_node, path, "a key must be a plain word")
                continue
            key = key_node.value
            here = (*path, key)
            if key in out:
                first = self.lines[here]
                self._bad(key_node, here, f"`{key}` stands twice; the first one is on line {first}")
                continue
            self.lines[here] = key_node.start_mark.line + 1
            out[key] = self.value(value_node, here, depth + 1)
        return out

    def _bad(self, node: yaml.Node, path: Path_, message: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(message, self.shown, line, dotted(path) or None))


def load(model: type[M], document: Document) -> M:
    """Validate into a model. Raises InputError with every problem, near misses named."""
    if not isinstance(document.data, dict):
        raise document.wrong(document.problem("this should be a mapping: lines of `key: value`"))
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise document.wrong(*_problems(model, document, error)) from None


def _problems(model: type[BaseModel], document: Document, error: ValidationError) -> Iterator[Problem]:
    faults = error.errors(include_url=False)
    missing: dict[tuple[int | str, ...], list[str]] = {}
    for fault in faults:
        if fault["type"] == "missing":
            missing.setdefault(fault["loc"][:-1], []).append(str(fault["loc"][-1]))
    hinted: set[Path_] = set()
    for fault in faults:
        if fault["type"] != "extra_forbidden":
            continue
        *parent, key = fault["loc"]
        known = _known_keys(model, document.data, tuple(parent))
        near = difflib.get_close_matches(str(key), [*missing.get(tuple(parent), []), *known], 1, 0.6)
        hint = f"known here: {', '.join(sorted(known))}" if known else None
        if near:
            hinted.add((*parent, near[0]))
            hint = f"did you mean `{near[0]}`?"
        path = _in_document(document.data, fault["loc"])
        yield document.problem(f"unknown key `{key}`", path, hint)
    for fault in faults:
        if fault["type"] == "extra_forbidden" or fault["loc"] in hinted:
            continue
        path = _in_document(document.data, fault["loc"], missing=fault["type"] == "missing")
        if fault["type"] == "missing":
            key = fault["loc"][-1]
            yield document.problem(f"`{key}` is missing", path, f"add a line `{key}: …`")
        elif isinstance(misfits := fault.get("ctx", {}).get("error"), Misfits):
            yield from (document.problem(words, (*path, *place)) for place, words in misfits.found)
        else:
            yield document.problem(_sentence(fault), path, _fault_hint(fault))


def _sentence(fault: Mapping[str, Any]) -> str:
    message: str = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.replace("Input should be", "this must be", 1)
    given = fault.get("input")
    if fault["type"] == "string_type" and isinstance(given, (int, float)):
        return f'this must be text; YAML reads {given!r} as a value: write it in quotes, "{given}"'
    if fault["type"] == "value_error" or isinstance(given, (dict, list)) or given is None:
        return message
    return f"{message} (it says {given!r})"


def _fault_hint(fault: Mapping[str, Any]) -> str | None:
    expected = str(fault.get("ctx", {}).get("expected", ""))
    choices = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(fault.get("input")), choices, 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else None


def _in_document(data: Any, loc: tuple[str | int, ...], *, missing: bool = False) -> Path_:
    """pydantic's location without the parts that name a union's branch and not a key.

    missing: the last part is a key that is not there.
    """
    path: list[str | int] = []
    here = data
    for index, part in enumerate(loc):
        inside = isinstance(part, int) and isinstance(here, list) and part < len(here)
        if inside or (isinstance(here, Mapping) and part in here):
            here = here[part]
        elif index < len(loc) - 1 or not missing:
            continue
        path.append(part)
    return tuple(path)


def _known_keys(model: Any, data: Any, loc: Path_) -> list[str]:
    """The keys that the model accepts at ``loc``; empty where that cannot be told."""
    here: Any = model
    for part in loc:
        here = _step(here, part)
    fields = getattr(_plain(here), "model_fields", {})
    return [f.alias or name for name, f in fields.items()]


def _step(annotation: Any, part: str | int) -> Any:
    """The type of what lies at one key or index of a value of this type."""
    branch = _branch(annotation, part)
    if branch is not None:
        return branch
    here = _plain(annotation)
    fields = getattr(here, "model_fields", None)
    if fields is not None:
        by_key = {f.alias or name: f.annotation for name, f in fields.items()}
        return by_key.get(str(part))
    arguments = [a for a in typing.get_args(here) if a is not ...]
    return arguments[-1] if arguments else None


def _branch(annotation: Any, tag: str | int) -> Any:
    """The branch of a union whose branches have tags, or None."""
    here = annotation
    while typing.get_origin(here) is typing.Annotated:
        here = typing.get_args(here)[0]
    for each in typing.get_args(here):
        if typing.get_origin(each) is typing.Annotated:
            inner, *about = typing.get_args(each)
            if any(isinstance(word, Tag) and word.tag == tag for word in about):
                return inner
    return None


def _plain(annotation: Any) -> Any:
    """``X`` of ``X | None`` and ``Annotated[X, …]``."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _plain(inner[0]) if len(inner) == 1 else None
    return annotation
