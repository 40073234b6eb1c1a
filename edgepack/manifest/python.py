"""The manifest's ``python``: which Python the box has, for steps of ``pre`` and ``post`` in Python."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgepack.manifest.words import InsidePath, Model, matching

SUFFIX = ".py"


class Python(Model):
    """Of the box, and the packages that go along."""

    version: Annotated[str, matching(r"3\.([6-9]|[1-9]\d)", "this must be like `3.11`")] = Field(
        description="the box's Python, like `3.11`: packages are for this one. With another the proof on "
        "the box fails, and says so"
    )
    requirements: InsidePath = Field(
        description="what is imported, NumPy at least, each pinned with digests: as `uv pip compile "
        "--generate-hashes` writes it. Wheels alone"
    )
    program: Annotated[
        str, matching(r"/?([A-Za-z0-9._+-]+/)*[A-Za-z0-9._+-]+", "this must be a program, like `python3`")
    ] = Field(default="python3", description="its name on the box, or where it lies")
    timeout_s: Annotated[float, Field(ge=0.01, le=600, allow_inf_nan=False)] = Field(
        default=5.0,
        description="how long one picture may take in one step; then that picture is refused and Python is "
        "started again",
    )
