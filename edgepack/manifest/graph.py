"""Several models in one program: `models` beside `model`, and the block `each` that asks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from edgepack.manifest.labels import Label
from edgepack.manifest.model import ModelSection
from edgepack.manifest.rules import Word
from edgepack.manifest.words import Model

if TYPE_CHECKING:
    from edgepack.manifest.blocks import PostBlock
    from edgepack.manifest.project import Manifest


class Each(Model):
    """Each box's part of the picture goes through another model; its record's fields become ``MODEL_FIELD``.

    They are lists beside `boxes`: -1, null or an empty text where a box was not asked about. ``MODEL_count``:
    how many were. One field is a number or a text.
    """

    model: Word = Field(description="one of `models`")
    classes: Annotated[list[Label], Field(max_length=1000)] = Field(
        default=[], description="which things, by the names in `labels`; left out: all"
    )
    grow: Annotated[float, Field(ge=0, le=2)] = Field(
        default=0, description="the part is larger than the box: by so much of its sides, on each side"
    )
    most: Annotated[int, Field(ge=1, le=300)] = Field(
        default=16, description="boxes of a picture, the first ones: each costs a run of the model"
    )


def part_of(manifest: Manifest, name: str) -> Manifest:
    """One of `models` as a manifest of its own: converted and proven as any model is."""
    member = manifest.models[name]
    model = ModelSection(file=member.file, golden=member.golden)
    update: dict[str, Any] = {"pre": member.pre, "post": member.post, "models": {}, "model": model}
    return manifest.model_copy(update={**update, "name": f"{manifest.name}-{name.replace('_', '-')}"})


def wrong_graph(manifest: Manifest) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What cannot be of a graph: its place in the manifest, and why."""
    asked: set[str] = set()
    for index, block in enumerate(manifest.post):
        if block.each is None:
            continue
        place = ("post", index)
        if block.each.model not in manifest.models:
            yield place, f"there is no {block.each.model!r} in `models`"
        if block.each.model in asked:
            yield place, f"a second `each` of {block.each.model!r} would set the fields of the first one"
        if not any(before.kind in ("yolo", "code") for before in manifest.post[:index]):
            yield place, "`each` works on boxes: `yolo` comes before it, or code"
        asked.add(block.each.model)
    for name, member in manifest.models.items():
        if name not in asked:
            yield ("models", name), f"nothing asks it: a block `each: {{model: {name}}}` in `post` does"
        yield from ((("models", name, "post", i), words) for i, words in _wrong_post(member.post))
    if manifest.models and manifest.form != "app":
        yield ("models",), f"several models are for the form `app` so far, not `{manifest.form}`"
    if manifest.models and manifest.model.split:
        yield ("model", "split"), "a model that is cut has no program, and so no others beside it"


def _wrong_post(post: Sequence[PostBlock]) -> Iterator[tuple[int, str]]:
    for index, block in enumerate(post):
        labels = None if block.kind == "code" else getattr(getattr(block, block.kind), "labels", None)
        if block.each is not None:
            yield index, "`each` asks from the first model's `post` alone"
        if isinstance(labels, str):
            yield index, "labels of a file are for the first model alone so far"
