"""The rules of ``post``: one model each, the fields that each sets, and which stand in a wrong place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from edgepack.manifest.labels import Label
from edgepack.manifest.words import Model, matching

Word = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9_]{0,39}",
        "a field's name is at most 40 lower-case letters, digits and `_`, and begins with a letter",
    ),
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]
Coordinate = Annotated[float, Field(ge=0, le=65535, allow_inf_nan=False)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


def _quoted(value: Any) -> Any:
    """YAML 1.1 reads 18:30 as 1110 minutes."""
    if isinstance(value, str):
        return value
    raise ValueError('a time is between quotes: "18:30"')


Clock = Annotated[
    str,
    BeforeValidator(_quoted),
    matching(r"([01]\d|2[0-3]):[0-5]\d|24:00", 'a time is between quotes, like "08:30", until "24:00"'),
]
Offset = Annotated[
    str,
    matching(r"[+-](0\d|1[0-4]):[0-5]\d", 'an offset to UTC is between quotes, like "+02:00" or "-05:30"'),
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: list[Day] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Place(Model):
    name: Word = Field(description="the field that it sets: a list beside `boxes`")
    unit: Literal["fraction", "pixels"] = Field(
        default="fraction",
        description="fraction: 0 to 1 of the picture's width and height; pixels: of the picture as it came",
    )
    anchor: Literal["bottom", "center"] = Field(
        default="bottom",
        description="the point of a box that counts: bottom, the middle of its lower side; or its center",
    )
    classes: Annotated[list[Label], Field(max_length=1000)] = Field(
        default=[], description="which things, by the names in `labels`; left out: all"
    )

    def _shares(self, points: Sequence[Sequence[float]]) -> None:
        if self.unit == "fraction" and any(value > 1 for point in points for value in point):
            raise ValueError("a fraction is at most 1: for pixels say `unit: pixels`")


class Zone(_Place):
    """A part of the picture; sets ``NAME``: 1 for each box that is in it, else 0."""

    polygon: Annotated[list[Point], Field(min_length=3, max_length=200)] = Field(
        description="its corners in turn: [[x, y], …]; x to the right, y down"
    )

    @model_validator(mode="after")
    def _fits(self) -> Zone:
        self._shares(self.polygon)
        before = [*self.polygon[-1:], *self.polygon[:-1]]
        area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(before, self.polygon, strict=True))
        if area == 0:
            raise ValueError("the polygon has no area: nothing would ever be in it")
        return self


class Line(_Place):
    """Sets ``NAME``: 1 for each box that goes from left to right of the line in this picture, -1 for right to
    left, else 0; as one looks from the first point to the second. By ``track``'s numbers."""

    points: Annotated[list[Point], Field(min_length=2, max_length=2)] = Field(
        description="from where to where: [[x, y], [x, y]]; from left to right, 1 is downwards"
    )
    margin: Annotated[float, Field(ge=0, le=65535, allow_inf_nan=False)] = Field(
        default=0,
        description="so far from the line a thing is on neither side, so that what trembles there does not "
        "cross again and again; of a fraction: of the picture's height",
    )

    @model_validator(mode="after")
    def _fits(self) -> Line:
        self._shares([*self.points, [self.margin]])
        if self.points[0] == self.points[1]:
            raise ValueError("the line's points are one and the same")
        return self


class Dwell(Model):
    """Sets ``NAME``: how many have been in a zone for so long; ``NAME_seconds``: how long, for each box."""

    name: Word = Field(description="the field that it sets")
    zone: Word = Field(description="a `zone` before it, by its name")
    seconds: Seconds = Field(description="from when on one counts")
    grace: Seconds = Field(
        default=1, description="out of the zone or unseen for longer than that, and its time begins anew"
    )


class Count(Model):
    """Of a zone ``NAME``: how many are in it, ``NAME_total``: how many have been, with `track` before.

    Of a line ``NAME_forward``, ``NAME_backward``: how many crossed; ``NAME``: their difference.
    """

    name: Word = Field(description="the field that it sets")
    zone: Word | None = Field(default=None, description="a `zone` before it, by its name")
    line: Word | None = Field(default=None, description="or a `line`")

    @model_validator(mode="after")
    def _one(self) -> Count:
        if (self.zone is None) == (self.line is None):
            raise ValueError("exactly one of `zone` and `line` is counted")
        return self


class Schedule(Model):
    """Sets ``NAME``: whether the picture was taken in a time of the week."""

    name: Word = Field(description="the field that it sets: true or false")
    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = Field(
        default=_DAYS, description="the days on which it begins: mon, tue, wed, thu, fri, sat, sun"
    )
    start: Clock = Field(default="00:00", description='from then on: "08:30"')
    end: Clock = Field(default="24:00", description='until then; not after `start`: on the next day: "06:00"')
    utc_offset: Offset | None = Field(
        default=None, description='of these times: "+02:00", all year; left out: the box\'s own time'
    )

    @model_validator(mode="after")
    def _some_time(self) -> Schedule:
        if self.start == self.end or self.start == "24:00":
            raise ValueError(f"from {self.start} to {self.end} is no time: a whole day is 00:00 to 24:00")
        return self


class Debounce(Model):
    """Sets ``NAME``: whether a field's number holds, and not just for a moment."""

    name: Word = Field(description="the field that it sets: true or false")
    field: Word = Field(description="the number that is looked at; true is 1")
    at_least: Number = Field(default=1, description="it holds from there on")
    frames: Annotated[int, Field(ge=1, le=10000)] | None = Field(
        default=None, description="true where it holds in so many …"
    )
    of: Annotated[int, Field(ge=1, le=10000)] | None = Field(
        default=None, description="… of so many pictures, this one the last; left out: of as many, in a row"
    )
    seconds: Seconds | None = Field(
        default=None, description="or: it changes when the contrary was so for so long without a break"
    )

    @model_validator(mode="after")
    def _one(self) -> Debounce:
        if (self.frames is None) == (self.seconds is None):
            raise ValueError("either `frames` (of `of`) or `seconds`")
        if self.of is not None and (self.frames is None or self.of < self.frames):
            raise ValueError("`of` is at least as many pictures as `frames`")
        return self


class Alarm(Model):
    """Sets ``NAME``: whether it is raised; ``NAME_event``: `raised`, `cleared` or empty, for this picture."""

    name: Word = Field(description="the field that it sets: true or false")
    field: Word = Field(description="the number that is looked at; true is 1")
    at: Number = Field(default=1, description="it is raised from there on")
    clear: Number = Field(default=0, description="it is cleared there and below; less than `at`")
    cooldown: Seconds = Field(default=0, description="seconds from one rise to the next, at least")
    during: Word | None = Field(
        default=None, description="a field, as of a `schedule`: where it is false or 0, nothing is raised"
    )

    @model_validator(mode="after")
    def _fits(self) -> Alarm:
        if not self.clear < self.at or math.isnan(self.at):
            raise ValueError(f"it would be raised and cleared at once: clear {self.clear}, at {self.at}")
        return self


_Rule = Zone | Line | Dwell | Count | Schedule | Debounce | Alarm

_OWN = frozenset(
    {"file", "error", "outputs", "count", "boxes", "names", "tracks", "class", "name", "score"}
    | {"left", "top", "right", "bottom", "text"}
)


def _sets(kind: str, rule: Any) -> list[str]:
    """The fields of the record that a rule sets."""
    more = {
        "dwell": ["seconds"],
        "count": ["total"] if kind == "count" and rule.zone else ["forward", "backward"],
        "alarm": ["event"],
    }
    return [rule.name, *(f"{rule.name}_{end}" for end in more.get(kind, []))]


def wrong_rules(steps: Sequence[tuple[str, Any]]) -> Iterator[tuple[int, str]]:
    """Which rule can do nothing right for what stands before it: its place in ``post``, and why.

    steps: the kind of each and its model, None for code, which may set any field.
    """
    seen: dict[str, str] = {}  # a field, and the kind of the rule that sets it
    kinds: set[str] = set()
    labels: list[str] | None = None
    for index, (kind, block) in enumerate(steps):
        if isinstance(block, _Rule):
            yield from ((index, words) for words in _wrong(kind, block, seen, kinds, labels))
            seen |= dict.fromkeys(_sets(kind, block), kind)
        elif kinds & {"zone", "line"} and kind in ("yolo", "threshold"):
            yield (
                index,
                f"`{kind}` changes the boxes that a rule before it speaks of: it comes before the rules",
            )
        if kind == "yolo":
            labels = block.labels
        kinds.add(kind)


def _wrong(
    kind: str, rule: Any, seen: dict[str, str], kinds: set[str], labels: list[str] | None
) -> Iterator[str]:
    code = bool(kinds & {"code", "each"})  # which may set any field
    taken = next((name for name in _sets(kind, rule) if name in _OWN or name in seen), None)
    if taken is not None:
        yield f"the record's field `{taken}` is set by another block: take another name"
    if kind in ("zone", "line") and not kinds & {"yolo", "code"}:
        yield f"`{kind}` works on boxes: `yolo` comes before it, or code"
    if kind in ("line", "dwell") and not kinds & {"track", "code"}:
        yield f"`{kind}` follows things from picture to picture: `track` comes before it"
    if labels is not None and not code:
        unknown = [name for name in getattr(rule, "classes", []) if name not in labels]
        if unknown:
            yield f"`yolo` has no label {unknown[0]!r}" + ("" if labels else ": it has no `labels`")
    for wanted in ("zone", "line"):
        name = getattr(rule, wanted, None)
        if name is not None and seen.get(name) != wanted:
            yield f"there is no {wanted} named {name!r} before it"
    for field in (getattr(rule, "field", None), getattr(rule, "during", None)):
        if field is not None and seen.get(field) in ("zone", "line"):
            yield f"`{field}` is a list beside `boxes`: `count` makes a number of it"
        elif field is not None and not code and field not in seen and field not in _NUMBERS:
            yield f"no block before it sets the field {field!r}"


_NUMBERS = frozenset({"count", "score", "class", "left", "top", "right", "bottom"})
