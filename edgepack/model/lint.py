"""What hurts about a model on a target: told from the model and sourced facts, before a conversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Weight = Literal["stops", "slows", "note"]

# Bytes a weight takes, by precision; what is not named here takes one.
_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int16": 2}
_MOST_NAMED = 4
_LARGE = 100e6  # bytes of weights that are asked about also where any box is meant
# What prepares a model for any converter folds these away, or no computation is left of them.
_NO_COMPUTATION = frozenset({"Constant", "Dropout", "Identity"})


@dataclass(frozen=True)
class Finding:
    """One thing that hurts. weight: it stops the conversion, slows the box down, or is worth knowing."""

    weight: Weight
    what: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Lacking:
    """An operator that a toolkit has not. when: nodes with these attributes; `rank`: of the first input."""

    operator: str
    fix: str = ""
    source: str = ""
    when: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """Operators that a toolkit has. complete: it has no other; else nobody has looked at others."""

    operators: frozenset[str]
    complete: bool
    source: str


@dataclass(frozen=True)
class Toolkit:
    """A converter on the way, and what is known of its operators. knows: None where nothing is."""

    recipe: str
    tool: str
    lacks: Sequence[Lacking] = ()
    knows: Known | None = None


@dataclass(frozen=True)
class Subject:
    """A target and the way there, as far as they are known; what is unknown is not judged, and told as that.

    toolkits: the converters on the way from ONNX. accelerated: it has an NPU or the like, channels: the
    multiple that this computes. tops: 10¹² operations a second by precision, the maker's figure. memory_mb:
    of the box, the least of its variants. sources: fact → where it stands.
    """

    target: str
    recipe: str
    precision: str
    opsets: tuple[int, int] | None = None
    toolkits: Sequence[Toolkit] = ()
    accelerated: bool = False
    channels: int | None = None
    tops: float | None = None
    memory_mb: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def lint(facts: Mapping[str, Any], subject: Subject) -> list[Finding]:
    """All findings, what stops first. facts: the report of the prepare stage (recipes/onnx/facts.py)."""
    found = [*_stops(facts, subject), *_slows(facts, subject), *_notes(facts, subject)]
    order: Sequence[Weight] = ("stops", "slows", "note")
    return sorted(found, key=lambda f: order.index(f.weight))


def _stops(facts: Mapping[str, Any], subject: Subject) -> Iterator[Finding]:
    for toolkit in subject.toolkits:
        yield from _lacking(facts, toolkit)
    size = _size(facts, subject)
    if subject.memory_mb and size > subject.memory_mb * 1e6:
        there = f"the box has {subject.memory_mb:,.0f}"
        what = f"its weights take {size / 1e6:,.0f} MB in {subject.precision}, {there}"
        yield Finding("stops", what, subject.sources.get("memory_mb", ""), "use 8 bits, or a smaller network")


def _lacking(facts: Mapping[str, Any], toolkit: Toolkit) -> Iterator[Finding]:
    """Operators that stop the conversion, each with how many there are."""
    for lack in toolkit.lacks:
        nodes, count = _nodes(facts, lack)
        if count:
            how = "".join(f", {name} {value}" for name, value in lack.when.items())
            what = f"{toolkit.recipe} has nothing for {lack.operator}{how}"
            what = f"{what}: {count} × ({_named(nodes, count)})"
            yield Finding("stops", what, lack.source, lack.fix)
    known = toolkit.knows
    if known and known.complete:
        for operator in _unheard_of(facts, toolkit):
            nodes, count = _nodes(facts, Lacking(operator))
            what = f"{toolkit.tool} has no {operator}: {count} × ({_named(nodes, count)})"
            fix = "write it with other operators, or cut the model before it and do the rest in `post`"
            yield Finding("stops", what, f"it is not in {known.source}", fix)


def _nodes(facts: Mapping[str, Any], lack: Lacking) -> tuple[list[str], int]:
    """Names of the nodes that it is about, and how many there are: the report names 200 of an operator."""
    names = list((facts.get("nodes") or {}).get(lack.operator) or [])
    if not lack.when:
        return names, int((facts.get("operators") or {}).get(lack.operator, len(names)))
    said = list((facts.get("attributes") or {}).get(lack.operator) or [])
    wanted = lack.when.items()
    found = [n for n, own in zip(names, said, strict=False) if all(own.get(k) == v for k, v in wanted)]
    return found, len(found)


def _unheard_of(facts: Mapping[str, Any], toolkit: Toolkit) -> list[str]:
    """Operators of the model of which the toolkit's list says nothing."""
    known = toolkit.knows.operators if toolkit.knows else frozenset()
    heard = known | {lack.operator for lack in toolkit.lacks} | _NO_COMPUTATION
    return sorted(set(facts.get("nodes") or {}) - heard)


def _slows(facts: Mapping[str, Any], subject: Subject) -> Iterator[Finding]:
    layers = list(facts.get("weighted") or [])
    total = sum(layer["macs"] for layer in layers) or 1
    if subject.channels:
        odd = [x for x in layers if x["op"] == "Conv" and x["output"][1] % subject.channels]
        part = sum(layer["macs"] for layer in odd) / total
        if odd and part > 0.02:
            many = f"{len(odd)} convolutions do" if len(odd) > 1 else "1 convolution does"
            what = f"{many} not give a multiple of {subject.channels} channels"
            why = f"it computes {subject.channels} at a time; they are {part:.0%} of the multiply-adds"
            names = _named([layer["node"] for layer in odd])
            yield Finding(
                "slows", what, f"{why} ({names})", f"train with widths in steps of {subject.channels}"
            )
    wide = [x for x in layers if x["op"] == "Conv" and max(x.get("strides") or [1]) > 2]
    if wide and subject.accelerated:
        why = "NPUs are built for strides of 1 and 2; larger ones leave multipliers idle"
        what = f"{len(wide)} convolutions have a stride above 2 ({_named([x['node'] for x in wide])})"
        yield Finding("slows", what, why, "use two convolutions of stride 2, or a patch layout")
    for row in facts.get("inputs") or []:
        shape = row["shape"]
        if len(shape) == 4 and (shape[2] % 32 or shape[3] % 32) and max(shape[2:]) > 64:
            why = "each stride of 2 halves the map, and odd maps are padded on the way"
            size = f"{shape[2]}×{shape[3]}"
            yield Finding("slows", f"the input {row['tensor']} is {size}", why, "use multiples of 32")
    if subject.memory_mb and subject.memory_mb * 2.5e5 < _size(facts, subject) <= subject.memory_mb * 1e6:
        what = f"its weights take {_size(facts, subject) / 1e6:,.0f} MB of the box's {subject.memory_mb:,.0f}"
        yield Finding("slows", what, "the system and the activations need memory too", "use 8 bits")


def _notes(facts: Mapping[str, Any], subject: Subject) -> Iterator[Finding]:
    for change in facts.get("changes") or []:
        yield Finding("note", str(change))
    for warning in facts.get("warnings") or []:
        yield Finding("note", str(warning))
    for toolkit in subject.toolkits:
        yield from _not_known(facts, toolkit)
    if subject.opsets and not subject.opsets[0] <= facts["opset"] <= subject.opsets[1]:
        least, most = subject.opsets
        what = f"opset {facts['opset']}: {subject.recipe} takes {least} to {most}"
        why = "edgepack tries to bring it there, which ONNX's converter cannot for every operator"
        yield Finding("note", what, why, f"export it at opset {most}")
    unknown = _unknown(facts, subject)
    if unknown:
        fix = "" if subject.channels else "widths in steps of 16 or 32 suit most"
        yield Finding("note", f"not known here of {subject.target}: {', '.join(unknown)}", "", fix)
    operations = 2 * int(facts.get("macs") or 0)
    if subject.tops and operations:
        best = subject.tops * 1e12 / operations
        what = f"{_many(operations)} operations: at most {best:,.0f} images a second"
        why = f"{subject.tops:g} TOPS in {subject.precision} by the maker; half of it is much in practice"
        yield Finding("note", what, why)


def _unknown(facts: Mapping[str, Any], subject: Subject) -> list[str]:
    """What could not be judged for want of a fact. A processor's own speed is nobody's promise."""
    npu = subject.accelerated
    asked = {
        "its memory": subject.memory_mb is None and (npu or _size(facts, subject) > _LARGE),
        f"its operations a second in {subject.precision}": subject.tops is None and npu,
        "how many channels it computes at a time": subject.channels is None and npu,
    }
    return [words for words, missing in asked.items() if missing]


def _not_known(facts: Mapping[str, Any], toolkit: Toolkit) -> Iterator[Finding]:
    """What nobody has looked at is said, so that silence means that it was."""
    if toolkit.knows is None:
        what = f"which operators {toolkit.tool} knows is not known here"
        yield Finding("note", what, "", "the conversion tells: edgepack names the operator that it stops at")
    elif not toolkit.knows.complete:
        names = _unheard_of(facts, toolkit)
        if names:
            what = f"whether {toolkit.tool} has {', '.join(names)} is not known here"
            yield Finding("note", what, f"known is what was {toolkit.knows.source}")


def _many(number: int) -> str:
    """Three digits of it: "833 k", "1.20 G"."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return str(number)


def _size(facts: Mapping[str, Any], subject: Subject) -> float:
    return float(facts.get("parameters") or 0) * _BYTES.get(subject.precision, 1)


def _named(nodes: Sequence[str], count: int = 0) -> str:
    """The first few. count: how many there are, where that is more than there are names."""
    left = max(count, len(nodes)) - _MOST_NAMED
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(nodes[:_MOST_NAMED]) + more
