"""What a bundle asks of the box's chip, drivers and runtimes, against what the box says.

``release.json`` has under ``needs`` what the target's file and the recipe declare, each with its source
(``edgepack/plan/needs.py``). Wrong is refused. What nobody tried, and what the box does not say, is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgepack.box.facts import Facts
from edgepack.catalog.vendor_runtimes import VENDORS
from edgepack.ship import ranges

# A recipe's runtime → what the box calls it. Where a maker numbers the two in another way, there is none.
CALLED = {"rknn": "librknnrt", "sophon": "libsophon", "acl": "cann", "tensorrt": "tensorrt"}
# Of a target's `versions`, what boxes say (box/sh/versions.sh). The others are of the building host.
_NVIDIA = ("l4t", "cuda", "tensorrt", "cudnn", "nvidia-driver", "ubuntu")
_ROCKCHIP = ("rknpu-driver", "librknnrt", "librknnmrt")
_ELSE = ("cann", "ascend-driver", "libsophon", "sophon-driver", "galcore", "hailort", "hailo-driver")
_SAID = frozenset((*_NVIDIA, *_ROCKCHIP, *_ELSE))
Verdict = Literal["fits", "wrong", "other", "unknown"]


@dataclass(frozen=True)
class Compared:
    """One thing that is asked for: ``what`` says both sides in a sentence, ``fix`` the ways out."""

    verdict: Verdict
    what: str
    fix: str = ""


def compare(release: Mapping[str, Any], facts: Facts, target: str) -> tuple[Compared, ...]:
    """All of ``needs`` of a ``release.json``; what is not as it should be there asks for nothing."""
    needs = release.get("needs")
    if not isinstance(needs, Mapping):
        return ()
    return (
        *_chip(needs, facts, target),
        *_kernel(needs, facts),
        *_runtime(needs, facts),
        *_rows(needs, facts, target),
    )


def _chip(needs: Mapping[str, Any], facts: Facts, target: str) -> Iterator[Compared]:
    wanted = [str(name) for name in _value(needs, "compatible", list) or []]
    if not wanted:
        return
    names = " or ".join(wanted)
    if not facts.soc:
        yield Compared("unknown", f"the chip ({names}): the box has no device tree that could be read")
    elif not set(wanted) & set(facts.soc):
        yield Compared(
            # A program for a processor may run on a newer one; what is for an NPU runs on no other.
            "wrong" if "runtime" in needs else "other",
            f"the bundle is for {target} ({names} in the device tree), the box is {', '.join(facts.soc)}",
            "set the node's `target:` in fleet.yaml to what the box is, build, deploy again; or, where its "
            "device tree has another name for that chip, add it to `compatible` in a copy of "
            f"targets/{target}.yaml in your project",
        )


def _kernel(needs: Mapping[str, Any], facts: Facts) -> Iterator[Compared]:
    oldest = (_value(needs, "kernel", str) or "").partition(" ")[2]
    has = facts.kernel.partition(" ")[2]
    if oldest and ranges.numbers(has) < ranges.numbers(oldest):
        yield Compared(
            "other", f"the target's oldest kernel is {oldest}, the box has {has}: it was not tried"
        )


def _runtime(needs: Mapping[str, Any], facts: Facts) -> Iterator[Compared]:
    said = needs.get("runtime")
    if not isinstance(said, Mapping):
        return
    runtime, text = str(said.get("name")), str(said.get("versions"))
    name, wanted = CALLED.get(runtime), ranges.read(text)
    has = facts.versions.get(name or "")
    if has is None or wanted is None:
        yield Compared(
            "unknown", f"{name or runtime} ({text} is needed): nothing on the box says its version"
        )
    elif not wanted.fits(has.value):
        vendor = VENDORS.get(runtime)
        where = f": {vendor.from_}" if vendor else ""
        yield Compared(
            "wrong",
            f"the bundle needs {name} {text} (its model was made with {said.get('tool')}), "
            f"the box has {has.value} ({has.place})",
            f"install {name} {text} on the box{where}; or build with the toolkit that belongs to "
            f"{has.value}: pin it in a copy of recipes/{said.get('recipe')} in your project",
        )


def _rows(needs: Mapping[str, Any], facts: Facts, target: str) -> Iterator[Compared]:
    """The target's table: one row of it must fit in whatever the box says."""
    rows = [row for row in _value(needs, "versions", list) or [] if isinstance(row, Mapping)]
    known = [
        {str(key).lower(): str(text) for key, text in row.items() if str(key).lower() in _SAID}
        for row in rows
    ]
    if any(row and all(_fits(text, facts, name) for name, text in row.items()) for row in known):
        return
    for name in dict.fromkeys(name for row in known for name in row):
        texts = list(dict.fromkeys(row[name] for row in known if name in row))
        yield from _one(name, texts, facts, target)


def _one(name: str, texts: list[str], facts: Facts, target: str) -> Iterator[Compared]:
    has, names = facts.versions.get(name), " or ".join(texts)
    if has is None:
        yield Compared(
            "unknown", f"{name} ({names} in targets/{target}.yaml): nothing on the box says its version"
        )
        return
    read = [found for found in map(ranges.read, texts) if found is not None]
    if not read or any(found.fits(has.value) for found in read):
        return
    near = any(found.same_generation(has.value) for found in read)
    known = f"{target} is known with {name} {names}, the box has {has.value} ({has.place})"
    if near:
        yield Compared("other", f"{known}: nobody tried that one")
        return
    yield Compared(
        "wrong",
        known,
        f"install {name} {names} on the box; or build for what it has: a copy of targets/{target}.yaml in "
        f"your project whose `versions` have {name} {has.value}, with the toolkit that belongs to it",
    )


def _fits(text: str, facts: Facts, name: str) -> bool:
    has, wanted = facts.versions.get(name), ranges.read(text)
    return has is not None and (wanted is None or wanted.fits(has.value))


def _value(needs: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    said = needs.get(name)
    value = said.get("value") if isinstance(said, Mapping) else None
    return value if isinstance(value, kind) else None
