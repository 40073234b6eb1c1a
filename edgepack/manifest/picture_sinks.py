"""Sinks that want the pictures themselves: samples, and pictures with what was found drawn into them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgepack.manifest.sources import ImageFormat
from edgepack.manifest.words import InsidePath, Model

FieldName = Annotated[str, Field(min_length=1, max_length=128)]


class Low(Model):
    """A field that says how sure the model is."""

    field: FieldName = Field(description="a number of the record, or a list of them: any of it counts")
    below: Annotated[float, Field(allow_inf_nan=False)] = Field(
        description="the picture is kept where it is less"
    )


class Around(Model):
    """A field that says that something has happened."""

    field: FieldName = Field(
        description="a truth value of the record, as the rule `alarm` sets one: when it becomes true"
    )
    before: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="pictures before it that are kept too; so many are in memory, as files"
    )
    after: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="pictures after it that are kept too"
    )


class When(Model):
    """Which pictures are kept: those that one of these asks for."""

    every: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="one of so many, beginning with the first"
    )
    low: Low | None = Field(default=None, description="where the model is not sure")
    alarm: Around | None = Field(default=None, description="around an alarm")

    @model_validator(mode="after")
    def _some(self) -> When:
        if self.every is None and self.low is None and self.alarm is None:
            raise ValueError("say which pictures: `every: 100`, `low: {…}` or `alarm: {…}`")
        return self


class SamplesSink(Model):
    """Pictures worth another look, each with its record beside it, the newest in a bounded folder."""

    kind: Literal["samples"] = Field(description="a bounded ring of pictures on disk")
    path: InsidePath = Field(default="samples", description="the folder, below the app's data folder")
    keep_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="what the folder takes on disk, at most: the oldest make room, also after a kill"
    )
    when: When = Field(description="which pictures")
    format: ImageFormat = Field(
        default="pnm",
        description="pnm and png keep each pixel; jpeg and png have to be in `source.formats` too",
    )


class PicturesSink(Model):
    """Pictures with boxes and words drawn into them, the newest in a bounded folder."""

    kind: Literal["pictures"] = Field(description="annotated images")
    path: InsidePath = Field(default="pictures", description="the folder, below the app's data folder")
    keep_mb: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="what the folder takes on disk, at most: the oldest make room, also after a kill"
    )
    format: ImageFormat = Field(
        default="pnm", description="jpeg and png have to be in `source.formats` too: it is the same library"
    )
    fps: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None, description="pictures a second, at most; left out: all"
    )
    found: bool = Field(default=False, description="only pictures in which something was found")
    show: Annotated[list[FieldName], Field(max_length=20)] = Field(
        default=[], description="fields of the record that are written into the upper left corner"
    )
