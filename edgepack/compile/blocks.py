"""The steps of ``pre`` and ``post`` as the generated program needs them: checked, with their defaults."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgepack.errors import InputError
from edgepack.manifest.blocks import KINDS


@dataclass(frozen=True)
class Block:
    """One step of ``pre`` or ``post``.

    kind: a key of ``edgepack.manifest.blocks``, whose model says which params there are; those with a default
    may be left out. Or ``code`` with ``file`` (relative to the project) and ``entry``.
    """

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    entry: str = ""


@dataclass(frozen=True)
class Step:
    """A block with all its params; outputs of the model by their place in it."""

    kind: str
    by: Mapping[str, Any]
    block: Block


def steps(section: str, blocks: Sequence[Block], outputs: Sequence[str]) -> tuple[Step, ...]:
    """The steps of one section. outputs: the model's, by their ONNX names.

    Raises InputError for a block or a param that is not known, and for an output that the model has not.
    """
    found = []
    for index, block in enumerate(blocks):
        place = f"{section}[{index}]"
        found.append(Step(block.kind, _outputs(_filled(block, section, place), outputs, place), block))
    return tuple(found)


def headers(*sections: Sequence[Step]) -> tuple[str, ...]:
    """Which of ``src/blocks/`` are included: those that are used, each once, by name."""
    return tuple(sorted({step.kind for section in sections for step in section if step.kind != "code"}))


def _filled(block: Block, section: str, place: str) -> dict[str, Any]:
    known = (*KINDS[section], "code")
    if block.kind not in known:
        raise InputError(
            f"{section} has no block {block.kind!r}", where=place, fix=f"one of {', '.join(known)}"
        )
    fields = KINDS[section][block.kind].model_fields if block.kind != "code" else {}
    params = {name: one.default for name, one in fields.items() if not one.is_required()} | dict(block.params)
    if set(params) != set(fields):
        raise InputError(
            f"{block.kind} takes {', '.join(sorted(fields)) or 'nothing'}, not "
            f"{', '.join(sorted(block.params)) or 'nothing'}",
            where=place,
        )
    return params


def _outputs(params: dict[str, Any], outputs: Sequence[str], place: str) -> Mapping[str, Any]:
    """Names become indexes; none is the first output, or as many as there are strides."""
    if "output" in params:
        name = params["output"]
        params["output"] = 0 if name is None else _index(name, outputs, place)
    if "outputs" in params:
        heads = max(len(params["strides"]), 1)
        names = params["outputs"] or outputs[:heads]
        if len(names) != heads:
            raise InputError(
                f"`yolo` decodes {heads} outputs and the model has {len(outputs)}: {', '.join(outputs)}",
                where=place,
                fix="as many `strides` as the model has heads; none where it decodes them itself",
            )
        params["outputs"] = [_index(name, outputs, place) for name in names]
    return params


def _index(name: str, outputs: Sequence[str], place: str) -> int:
    if name in outputs:
        return outputs.index(name)
    near = difflib.get_close_matches(name, outputs, 1, 0.6)
    raise InputError(
        f"the model has no output {name!r}",
        where=place,
        why=f"its outputs are {', '.join(outputs)}",
        fix=f"did you mean {near[0]}?" if near else "name one of them",
    )
