"""``licence``: whose licences the program takes, and what it does without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from edgepack.errors import InputError
from edgepack.manifest.words import InsidePath, Model
from edgepack.tools import signers

Place = tuple[str | int, ...]
MAX_KEYS = 8
MAX_DAYS = 3660
Feature = r"[a-z0-9][a-z0-9._-]{0,39}"
"""What a feature may be called: it is a word of a licence, and of the project's own C++."""


class Licence(Model):
    """The program runs on boxes that have a licence, and opens what that names."""

    key: InsidePath | Annotated[list[InsidePath], Field(min_length=1, max_length=MAX_KEYS)] = Field(
        description="the public Ed25519 key, a file of the project, whose owner issues licences; or several"
    )
    required: bool = Field(
        default=True,
        description="true: without a licence that holds the program does not run; false: it runs, and "
        "opens no feature",
    )
    grace_days: Annotated[int, Field(ge=0, le=365)] = Field(
        default=14,
        description="what `edgepack licence issue` grants after a licence's last day, where it is not "
        "told: the program runs on and says so",
    )
    warn_days: Annotated[int, Field(ge=0, le=365)] = Field(
        default=30, description="deploy and status tell of a licence that ends in so many days"
    )

    def files(self) -> Iterator[tuple[Place, str]]:
        """Each key's file, and where the manifest names it."""
        if isinstance(self.key, str):
            yield ("licence", "key"), self.key
        else:
            yield from ((("licence", "key", index), file) for index, file in enumerate(self.key))

    def keys(self, folder: Path) -> tuple[str, ...]:
        """The keys themselves, 64 hexadecimal digits each. Raises InputError for a file that holds none."""
        return tuple(dict.fromkeys(signers.public(folder / file)[0] for _, file in self.files()))

    def wrong(self, folder: Path) -> Iterator[tuple[Place, str, str | None]]:
        """Each file that holds no public key: where it is named, what is wrong, what to do."""
        for place, file in self.files():
            try:
                signers.public(folder / file)
            except InputError as error:
                yield place, f"{file} holds no public Ed25519 key: {error.why or error.what}", error.fix
