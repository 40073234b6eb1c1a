"""The key of a project's encrypted models, from where edgepack.yaml says that it is kept."""

from __future__ import annotations

from pathlib import Path

from edgepack.errors import InputError
from edgepack.manifest.encryption import Encryption
from edgepack.manifest.secret_values import resolve
from edgepack.model.sealed import ContentKey, read_key

NAME = "encryption.key"


def fetch(said: Encryption, folder: Path) -> ContentKey:
    """The key. folder: the project's. Raises InputError, ToolError where it is not there or is another."""
    where = f"{NAME} in edgepack.yaml"
    try:
        key = read_key(resolve({NAME: said.key}, folder)[NAME].reveal())
    except ValueError as error:
        fix = "edgepack key new FILE makes one; or look at where edgepack.yaml takes it from"
        what = "the key of the encrypted model is none"
        raise InputError(what, where=where, why=str(error), fix=fix) from None
    if key.id != said.id:
        raise InputError(
            f"the key of the encrypted model is {key.id}, and edgepack.yaml says {said.id}",
            where=where,
            fix=f"bring the key {said.id} there; or set `id: {key.id}`, and build and deploy again",
        )
    return key
