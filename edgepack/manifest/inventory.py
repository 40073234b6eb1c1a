"""From what was written of the boxes to each of them: defaults, sites, groups and ranges put together.

What is nearer to the node wins: its own value, then its group's, its site's, the defaults'. Mappings (labels,
limits, secrets) are put together key by key; ``null`` takes a value away that stands further out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from edgepack.document import Document, Path_
from edgepack.errors import InputError, Problem
from edgepack.manifest import ranges
from edgepack.manifest.fleet import Fleet, Node, Policy

MOST = 200_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SHOWN = 20  # problems that one run tells of

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """Values, and where they stand."""

    values: Raw
    document: Document
    path: Path_

    def place(self, key: str = "") -> str:
        """``fleet.yaml:3``, as editors and terminals make clickable."""
        line = self.document.line((*self.path, key) if key else self.path)
        return f"{self.document.shown}:{line}" if line else self.document.shown


@dataclass(frozen=True)
class Written:
    """One node before it is checked: its layers, the nearest last."""

    name: str
    numbers: tuple[str, ...]
    layers: tuple[Layer, ...]

    def values(self) -> dict[str, Any]:
        """All layers put together. Raises ValueError for a ``{2}`` where the name has one number."""
        out: dict[str, Any] = {}
        for layer in self.layers:
            for key, value in layer.values.items():
                below = out.get(key)
                if isinstance(value, Mapping) and isinstance(below, Mapping):
                    out[key] = _without_nulls({**below, **value})
                elif isinstance(value, Mapping):
                    out[key] = _without_nulls(value)
                else:
                    out[key] = value
        plain: dict[str, Any] = ranges.filled(_without_nulls(out), self.name, self.numbers)
        return plain

    def wrong(self, key: str, message: str, hint: str | None = None) -> InputError:
        """What is wrong with one of its values, at the place where that stands."""
        layer = next((one for one in reversed(self.layers) if key in one.values), self.layers[-1])
        return layer.document.wrong(layer.document.problem(message, (*layer.path, key), hint))

    def origins(self) -> dict[str, str]:
        """Where each value stands, by its key: ``labels.camera`` → ``fleet.yaml:7``."""
        out: dict[str, str] = {}
        for layer in self.layers:
            for key, value in layer.values.items():
                if isinstance(value, Mapping):
                    place = {f"{key}.{inner}": layer.place(key) for inner in value}
                else:
                    place = {key: layer.place(key)}
                out |= place
        return out


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def put_together(sources: Sequence[Document]) -> Fleet:
    """All nodes of the files, the first of which is fleet.yaml. Raises InputError with every problem."""
    nodes: dict[str, Node] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for found in written(sources):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        own = found.layers[-1]
        if not NAME.fullmatch(found.name):
            message = f"`{found.name}` is no node's name: letters, digits, . _ -, at most 63"
            problems.append(own.document.problem(message, own.path))
            continue
        if found.name in places:
            first = places[found.name]
            problems.append(own.document.problem(f"`{found.name}` is there twice: {first}", own.path))
            continue
        places[found.name] = own.place()
        checked = _checked(found)
        if isinstance(checked, Node):
            nodes[found.name] = checked
        else:
            problems.extend(checked)
        if len(places) > MOST:
            problems.append(own.document.problem(f"these are more than {MOST} nodes", own.path))
            break
        if len(problems) > _SHOWN:
            break
    if problems:
        raise _wrong(sources[0], problems)
    return Fleet(nodes, Policy.model_validate(sources[0].data.get("policy", {})), places)


def _wrong(first: Document, problems: list[Problem]) -> InputError:
    files = sorted({problem.file or first.shown for problem in problems})
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    if len(problems) > _SHOWN:
        count = f"more than {_SHOWN} problems"
    ordered = sorted(problems, key=lambda one: (one.file or "", one.line or 0, one.path or ""))
    told = ", ".join(files)
    return InputError(f"{told} has {count}", where=told, problems=tuple(ordered[:_SHOWN]))


def written(sources: Sequence[Document]) -> Iterator[Written | Problem]:
    """Each node with its layers, or what is wrong with the key that it comes from."""
    defaults = [Layer(_part(doc.data, "defaults"), doc, ("defaults",)) for doc in sources]
    outer = tuple(layer for layer in defaults if layer.values)
    named = {kind: _named(sources, kind) for kind in ("sites", "groups")}
    for doc in sources:
        for key, values in _part(doc.data, "nodes").items():
            own = Layer(values or {}, doc, ("nodes", key))
            try:
                names = list(ranges.expand(key))
            except ValueError as error:
                yield doc.problem(str(error), own.path)
                continue
            around = _around(own, outer, named)
            if isinstance(around, Problem):
                yield around
                continue
            for name, numbers in names:
                yield Written(name, numbers, (*around, own))


def find(sources: Sequence[Document], name: str) -> Written:
    """One node as it was written. Raises KeyError."""
    for found in written(sources):
        if isinstance(found, Written) and found.name == name:
            return found
    raise KeyError(name)


def _part(data: Raw, key: str) -> Raw:
    part = data.get(key)
    return part if isinstance(part, Mapping) else {}


def _named(sources: Iterable[Document], kind: str) -> dict[str, Layer]:
    """Sites or groups by their names; of one that two files have, the first."""
    out: dict[str, Layer] = {}
    for doc in sources:
        for name, values in _part(doc.data, kind).items():
            out.setdefault(name, Layer(values or {}, doc, (kind, name)))
    return out


def _around(
    own: Layer, outer: tuple[Layer, ...], named: Mapping[str, Mapping[str, Layer]]
) -> tuple[Layer, ...] | Problem:
    """The layers that a node's own values lie in: defaults, its site, its group."""
    group = _said("group", (*outer, own))
    layers = list(outer)
    if group is not None:
        if group not in named["groups"]:
            known = ", ".join(named["groups"]) or "none; write them under `groups`"
            message = f"there is no group `{group}`"
            return own.document.problem(message, (*own.path, "group"), f"known: {known}")
        layers.append(named["groups"][group])
    site = _said("site", (*layers, own))
    if site in named["sites"]:  # a site that says nothing of its boxes need not be written down
        layers.insert(len(outer), named["sites"][site])
    return tuple(layers)


def _said(key: str, layers: Iterable[Layer]) -> Any:
    return next((layer.values[key] for layer in reversed(list(layers)) if key in layer.values), None)


def _checked(found: Written) -> Node | list[Problem]:
    """The node, or what is wrong with it at the place where each value stands."""
    own = found.layers[-1]
    try:
        values = found.values()
    except ValueError as error:
        return [own.document.problem(f"{found.name}: {error}", own.path)]
    try:
        return Node.model_validate(values)
    except ValidationError as error:
        return [_problem(found, fault) for fault in error.errors(include_url=False)]


def _problem(found: Written, fault: Any) -> Problem:
    own = found.layers[-1]
    where: Path_ = fault["loc"]
    if fault["type"] == "missing":
        hint = f"add it here, or to its group, its site or `defaults`: `{where[-1]}: …`"
        return own.document.problem(f"{found.name}: `{where[-1]}` is missing", own.path, hint)
    layer = next((one for one in reversed(found.layers) if where and where[0] in one.values), own)
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return layer.document.problem(f"{found.name}: {message}", (*layer.path, *where))
