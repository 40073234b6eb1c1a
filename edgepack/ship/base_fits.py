"""Whether a maker's image fits a box: what the image says of itself against the box's own versions.

A driver is the box's and its library the image's, and the two must belong together. What an image says stands
in a target's fact ``base_says``, with its source; a label ``dev.edgepack.base.NAME`` says it for any image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgepack.box.facts import Version
from edgepack.errors import InputError
from edgepack.ship import ranges
from edgepack.ship.needs import CALLED
from edgepack.ship.preflight import Refusal

LABEL = "dev.edgepack.base."
_VERSION = r"v?([0-9][0-9A-Za-z.]*)"


@dataclass(frozen=True)
class Image:
    """What lies below: by which name it was fetched, and its configuration's environment and labels."""

    name: str
    env: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Said:
    """A version that an image says of itself, where it does, and which versions go together (``ranges``)."""

    value: str
    place: str
    alike: tuple[str, ...] = ()

    def fits(self, has: str) -> bool:
        """Without ranges: the first two numbers are the same."""
        if not self.alike:
            return ranges.numbers(self.value)[:2] == ranges.numbers(has)[:2]
        known = [found for found in map(ranges.read, self.alike) if found is not None]
        same = ranges.numbers(self.value) == ranges.numbers(has)
        return same or any(found.fits(self.value) and found.fits(has) for found in known)


def read(image: Image, fact: Any, where: str) -> dict[str, Said]:
    """What an image says, by the names that a box has for it. fact: the target's ``base_says``, or None.

    Raises InputError for a fact that is none.
    """
    labels = image.labels or {}
    found = {}
    for name, how in _rows(fact, where):
        alike = tuple(how.get("alike", ()))
        for words in how["read"]:
            if value := _one(image, labels, words, where):
                found[name] = Said(value, words.partition(" ")[0], alike)
                break
    for label, text in labels.items():
        if label.startswith(LABEL) and (match := re.fullmatch(_VERSION, text)):
            name = label.removeprefix(LABEL)
            found[name] = Said(match[1], f"label {label}", found[name].alike if name in found else ())
    return found


def _rows(fact: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, how in (fact if isinstance(fact, Mapping) else {}).items():
        lists = [how.get("read"), how.get("alike", [])] if isinstance(how, Mapping) else [None]
        if not all(isinstance(one, list) and all(isinstance(word, str) for word in one) for one in lists):
            raise InputError(
                f"`base_says` of {where} cannot be read",
                where=f"targets/{where}.yaml",
                fix='{l4t: {read: ["env L4T_VERSION"], alike: [">=35,<36"]}}',
            )
        yield str(name), how


def _one(image: Image, labels: Mapping[str, str], words: str, where: str) -> str:
    """``env NAME``, ``label NAME``, or ``tag NAME:TAG`` in which VERSION stands for it, * for anything."""
    kind, _, what = words.partition(" ")
    if kind == "env":
        given = next((one.partition("=")[2] for one in image.env if one.startswith(f"{what}=")), "")
        match = re.fullmatch(rf"[rR]?{_VERSION}", given)
    elif kind == "label":
        match = re.fullmatch(_VERSION, labels.get(what, ""))
    elif kind == "tag":
        pattern = re.escape(what).replace(r"\*", r"[a-z0-9._-]*").replace("VERSION", _VERSION)
        match = re.fullmatch(pattern, image.name.rpartition("/")[2])
    else:
        raise InputError(f"`{words}` is neither of env, label or tag", where=f"targets/{where}.yaml")
    return match[1] if match else ""


def of_bundle(said: Mapping[str, Said], release: Mapping[str, Any], image: Image) -> tuple[Refusal, ...]:
    """What the bundle's model asks of a runtime that this image brings in another version."""
    needs = release.get("needs")
    runtime = needs.get("runtime") if isinstance(needs, Mapping) else None
    if not isinstance(runtime, Mapping):
        return ()
    name, wanted = CALLED.get(str(runtime.get("name"))), ranges.read(str(runtime.get("versions")))
    has = said.get(name or "")
    if has is None or wanted is None or wanted.fits(has.value):
        return ()
    text = f"{name} {runtime.get('versions')}"
    return (
        Refusal(
            f"the bundle needs {text}, and the base {image.name} has {has.value} ({has.place})",
            f"name a base with {text}; or build with the toolkit that belongs to {has.value}",
        ),
    )


def of_box(
    said: Mapping[str, Said], versions: Mapping[str, Version], image: Image
) -> tuple[tuple[Refusal, ...], tuple[str, ...]]:
    """Why this image is not for a box of these versions; and what could not be compared."""
    refused: list[Refusal] = []
    unknown: list[str] = []
    for name, one in said.items():
        has = versions.get(name)
        if has is None:
            unknown.append(f"the base says {name} {one.value}, and nothing on the box says which one it has")
        elif not one.fits(has.value):
            refused.append(
                Refusal(
                    f"the base {image.name} is of {name} {one.value} ({one.place}), the box has {has.value} "
                    f"({has.place})",
                    f"name a base of {name} {_like(one, has.value)}; or bring the box to {name} {one.value}",
                )
            )
    return tuple(refused), tuple(unknown)


def _like(one: Said, has: str) -> str:
    """Which versions of an image the box runs, in the words of the target."""
    fits: Sequence[str] = [
        text for text in one.alike if (found := ranges.read(text)) is not None and found.fits(has)
    ]
    return fits[0] if fits else has
